// A distance as an unsigned number in the same order, so that one integer comparison orders
// candidates by (distance, row) and every metric shares the graph code.
#pragma once
#include <bit>
#include <cstdint>

namespace bitgrove::graph {

using Row = std::uint32_t;  // number of a row; kNoRow stands for none
using Key = std::uint32_t;
using Ranked = std::uint64_t;  // key in the high half, row in the low

inline constexpr Row kNoRow = 0xffffffffu;

inline Ranked ranked(Key key, Row row) {
    return static_cast<Ranked>(key) << 32 | row;
}
inline Row row_of(Ranked r) {
    return static_cast<Row>(r);
}
inline Key key_of(Ranked r) {
    return static_cast<Key>(r >> 32);
}

// A non-negative float keeps its order when its bits are read as an integer.
inline Key key_of_distance(float d) {
    return std::bit_cast<Key>(d);
}
inline float distance_of_key(Key key) {
    return std::bit_cast<float>(key);
}

// A score, where larger is nearer: negated (0 - s turns both zeros into +0), then the bits of
// negative numbers are flipped so that they come first, in order.
inline Key key_of_score(float s) {
    const auto bits = std::bit_cast<Key>(0.0f - s);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
inline float score_of_key(Key key) {
    return 0.0f - std::bit_cast<float>(key & 0x80000000u ? key ^ 0x80000000u : ~key);
}

}  // namespace bitgrove::graph
