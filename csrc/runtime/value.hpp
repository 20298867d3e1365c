// What flows between the operators of a packed network: one image's activations.
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "bitgrove/pack_signs.hpp"

namespace bitgrove::runtime {

enum class Kind { real, bits };

// Three sides and the channels: a picture has d = 1, a series d = h = 1. Real values are stored as
// float32[d][h][w][c].
struct Shape {
    std::size_t d, h, w, c;

    std::size_t pixels() const { return d * h * w; }
    std::size_t size() const { return pixels() * c; }
    std::size_t side(int axis) const { return axis == 0 ? d : axis == 1 ? h : w; }
    bool operator==(const Shape&) const = default;
};

// Bits are stored as uint64[d][h][w][groups][words_for(c / groups)]: the channels of each group are
// padded to whole words, so that a grouped convolution reads whole words too.
struct Value {
    Kind kind;
    Shape shape;
    std::size_t groups = 1;

    std::size_t words_per_group() const { return words_for(shape.c / groups); }
    std::size_t words_per_pixel() const { return groups * words_per_group(); }
    std::size_t bytes() const {
        return kind == Kind::real ? shape.size() * sizeof(float)
                                  : shape.pixels() * words_per_pixel() * sizeof(std::uint64_t);
    }
    bool operator==(const Value&) const = default;
};

inline void require(bool condition, const std::string& reason) {
    if (!condition) throw std::invalid_argument(reason);
}

inline void require_real(const Value& value) {
    require(value.kind == Kind::real, "the input must be real");
}

}  // namespace bitgrove::runtime
