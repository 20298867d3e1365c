// Distance of one pair of vectors: what the neighbour graph asks for, one pair at a time.
//
//     l2_*:    sum over i of (a[i] - b[i])^2        squared: no root is taken
//     ip_*:    sum over i of a[i] * b[i]
//     hamming: number of bits in which a and b differ
//
// `dim` counts elements (bytes for hamming) and may be any number, zero too; nothing past the end
// is read and no alignment beyond the element's is needed.
//
// Every level gives the same float, bit for bit, so that a graph built on one CPU is the graph
// built on any other: element i is added to partial sum i % 32 in order, without a fused
// multiply-add, and the 32 partial sums are folded in halves (s[j] += s[j + 16], then 8, 4, 2, 1).
// Each sum has about dim/32 + 5 roundings. Halves are widened exactly, then treated as float32.
//
// The integer results are exact. 255^2 * dim must fit in 32 bits: dim <= kMaxBytesDim for *_u8; at
// most 2^29 - 1 bytes for hamming.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove {

inline constexpr std::size_t kMaxBytesDim = 66051;  // floor((2^32 - 1) / 255^2)

struct DistanceKernels {
    float (*l2_f32)(const float* a, const float* b, std::size_t dim);
    float (*ip_f32)(const float* a, const float* b, std::size_t dim);
    float (*l2_f16)(const std::uint16_t* a, const std::uint16_t* b, std::size_t dim);
    float (*ip_f16)(const std::uint16_t* a, const std::uint16_t* b, std::size_t dim);
    std::uint32_t (*l2_u8)(const std::uint8_t* a, const std::uint8_t* b, std::size_t dim);
    std::uint32_t (*ip_u8)(const std::uint8_t* a, const std::uint8_t* b, std::size_t dim);
    std::uint32_t (*hamming)(const std::uint8_t* a, const std::uint8_t* b, std::size_t bytes);
};

namespace distance {
extern const DistanceKernels scalar;
extern const DistanceKernels avx2;
extern const DistanceKernels avx512;
}  // namespace distance
}  // namespace bitgrove
