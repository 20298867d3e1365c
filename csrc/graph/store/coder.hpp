// Rows as bytes: what walks on a graph measure with, at a quarter of the memory traffic of floats.
//
// A scalar quantiser with one step for all elements, so that squared l2 between codes is squared l2
// between rows divided by step^2, up to rounding: code_i = round((x_i - low_i) / step). For ip the
// lift of a row (see pairs.hpp) takes further places, among which its square is divided, so that
// the codes are those of the lifted rows.
//
// Half a byte for each element was tried for searches: on a million SIFT descriptors it gave 3 %,
// since walks are bound by their own work as much as by memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "rows.hpp"

namespace bitgrove::graph {

inline constexpr std::size_t kMaxLiftPlaces = 4096;

struct Coder {
    std::vector<float> low;       // of each element
    float step = 1;               // between neighbouring codes
    std::size_t lift_places = 0;  // ip: bytes that hold the lift
    bool exact = false;           // codes lose nothing: all elements are integers in 0 .. 255

    std::size_t bytes() const { return low.size() + lift_places; }
    // Returns whether the row lies within the range of codes, but for a step or so: one that does
    // not gets the code of the nearest point that does, and is not to be measured by it.
    bool encode(const Format& format, const std::uint8_t* row, float lift,
                std::uint8_t* code) const;
    // The same for a query, which has no lift. For ip, where only its direction counts, it is
    // scaled to fill the range.
    bool encode_query(const Format& format, const std::uint8_t* query, std::uint8_t* code) const;

    // From rows that are l2, ip or cosine and not bits. `bound` is the squared length to which ip
    // lifts rows.
    static Coder learn(const Rows& rows, double bound);

  private:
    bool encode(const float* x, std::uint8_t* code) const;
};

}  // namespace bitgrove::graph
