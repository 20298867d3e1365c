// What flows between the operators of a packed network: one image's activations.
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "bitgrove/pack_signs.hpp"

namespace bitgrove::runtime {

enum class Kind { real, bits };

// Height, width and channels; real values are stored as float32[h][w][c].
struct Shape {
    std::size_t h, w, c;
    std::size_t size() const { return h * w * c; }
    bool operator==(const Shape&) const = default;
};

// Bits are stored as uint64[h][w][groups][words_for(c / groups)]: the channels of each group are
// padded to whole words, so that a grouped convolution reads whole words too.
struct Value {
    Kind kind;
    Shape shape;
    std::size_t groups = 1;

    std::size_t words_per_group() const { return words_for(shape.c / groups); }
    std::size_t words_per_pixel() const { return groups * words_per_group(); }
    std::size_t bytes() const {
        return kind == Kind::real ? shape.size() * sizeof(float)
                                  : shape.h * shape.w * words_per_pixel() * sizeof(std::uint64_t);
    }
};

// A sliding window; every pair is (vertical, horizontal).
struct Window {
    std::size_t kernel[2];
    std::size_t stride[2];
    std::size_t padding[2];
    std::size_t dilation[2];

    std::size_t taps() const { return kernel[0] * kernel[1]; }

    // Height (axis 0) or width (axis 1) of the result; throws where nothing would be left.
    std::size_t out(std::size_t in, int axis) const {
        const std::size_t reach = dilation[axis] * (kernel[axis] - 1) + 1;
        const std::size_t padded = in + 2 * padding[axis];
        if (padded < reach) {
            throw std::invalid_argument("a window that reaches over " + std::to_string(reach) +
                                        " pixels does not fit into " + std::to_string(padded));
        }
        return (padded - reach) / stride[axis] + 1;
    }

    // Row or column of the input under tap `t` of output `o`; true if it lies inside.
    bool source(std::size_t o, std::size_t t, std::size_t in, int axis, std::size_t& at) const {
        at = o * stride[axis] + t * dilation[axis] - padding[axis];  // wraps when outside
        return at < in;
    }
};

inline void require(bool condition, const std::string& reason) {
    if (!condition) throw std::invalid_argument(reason);
}

}  // namespace bitgrove::runtime
