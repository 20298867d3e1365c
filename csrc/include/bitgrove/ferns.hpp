// Random ferns: tests of many rows at once, the leaf of each fern, and sums of rows of its table.
//
// A fern asks `depth` questions of a row; the answers, question k being bit k, number its leaf.
// Rows come in blocks of kFernRows, turned so that one element of all of them is one stretch of
// memory; lanes past the last row hold anything and their leaves are anything.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove {

inline constexpr std::size_t kFernRows = 64;   // rows of a block
inline constexpr std::size_t kFernGroup = 16;  // columns that are turned together
inline constexpr std::size_t kMaxFernDepth = 16;

// out[(16 g + j) * kFernRows + r] = rows[r * stride + 16 groups[g] + j] for rows r < count and
// columns below `features`; the rest of out stays as it is. Reads nothing else.
template <typename T>
struct FernColumns {
    const T* rows;
    std::size_t stride, count, features;  // count in 1 ..= kFernRows
    const std::uint32_t* groups;
    std::size_t n_groups;
    T* out;
};

// out[f * out_stride + r] = the sum of 2^k over the k with first > second, in lane r, where
// first is columns[first[f * depth + k] * kFernRows + r] and second the like, or the threshold of
// the same place if `second` is null. All kFernRows lanes are written.
template <typename T>
struct FernTests {
    const T* columns;
    std::size_t ferns, depth;  // depth in 1 ..= kMaxFernDepth
    const std::uint32_t *first, *second;
    const T* threshold;
    std::uint16_t* out;
    std::size_t out_stride;
};

// out[r * width + c] += table[(f << depth | leaves[f * leaf_stride + r]) * width + c], for one fern
// after the other, so that every level gives the same floats. width is 1 or a multiple of
// kFernGroup. The caller sees to it that integers do not overflow.
template <typename T, typename Sum>
struct FernVotes {
    const std::uint16_t* leaves;
    std::size_t leaf_stride, ferns, depth, rows;
    const T* table;
    std::size_t width;
    Sum* out;
};

struct FernKernels {
    void (*columns_u8)(const FernColumns<std::uint8_t>&);
    void (*columns_f32)(const FernColumns<float>&);
    void (*tests_u8)(const FernTests<std::uint8_t>&);
    void (*tests_f32)(const FernTests<float>&);  // NaN is greater than nothing
    void (*votes_f32)(const FernVotes<float, float>&);
    void (*votes_i8)(const FernVotes<std::int8_t, std::int32_t>&);
};

namespace ferns {
extern const FernKernels scalar, avx2, avx512;
}  // namespace ferns
}  // namespace bitgrove
