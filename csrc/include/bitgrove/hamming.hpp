// Hamming distances between two sets of packed rows; also the binary matrix product, because
// for rows of K signs  dot(a, b) = K - 2 * popcount(a XOR b).
//
//     out[i*nb + j] = popcount(a_i XOR b_j), in bits
//
// a: na*words, b: nb*words, out: na*nb, all row-major. Reads exactly `words` words per row, never
// past the end. A row may have at most 2^25 words, so that the count fits in int32.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove {

using HammingFn = void (*)(const std::uint64_t* a, std::size_t na, const std::uint64_t* b,
                           std::size_t nb, std::size_t words, std::int32_t* out);

namespace hamming {
void scalar(const std::uint64_t*, std::size_t, const std::uint64_t*, std::size_t, std::size_t,
            std::int32_t*);
void avx2(const std::uint64_t*, std::size_t, const std::uint64_t*, std::size_t, std::size_t,
          std::int32_t*);
void avx512(const std::uint64_t*, std::size_t, const std::uint64_t*, std::size_t, std::size_t,
            std::int32_t*);
}  // namespace hamming
}  // namespace bitgrove
