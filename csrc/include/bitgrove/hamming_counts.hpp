// How many packed rows lie at each Hamming distance from a query, among the relevant rows and among
// the others: what retrieval scores are made of.
//
//     relevant[d] += rows r with popcount(row_r XOR query) == d whose bit of the mask is 1
//     others[d]   += those whose bit is 0
//
// The rows are held in slices: a block is kCountRows rows, and a plane of it is one bit of each, so
// that a few adders of whole registers make all distances of a block at once, in planes too. No
// distance is ever taken out of them: for each value its rows are marked, and the marks counted.
//
// planes: [block][bit of a row][kCountWords]; bit i of word w is row 64 * w + i of the block. Which
// bit of a row is which plane does not matter as long as the query says the same:
// flips: [8 * bytes], all ones where the query has a 1 in that plane, else zero.
// mask: [block][kCountWords], read where the kind of the block is kSome.
// sums: scratch of hamming_counts_scratch(bytes) words, from a cache line on.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove {

inline constexpr std::size_t kCountRows = 512;
inline constexpr std::size_t kCountWords = kCountRows / 64;
inline constexpr std::size_t kMaxCountBytes = 8192;

enum Relevance : std::uint8_t { kNone, kSome, kAll };  // which rows of a block are relevant

struct HammingCounts {
    const std::uint64_t* planes;
    std::size_t bytes;   // in 1 ..= kMaxCountBytes
    std::size_t blocks;  // fewer than 2^22, so that counts fit
    const std::uint64_t* flips;
    const std::uint64_t* mask;
    const std::uint8_t* kinds;  // [block], of Relevance
    std::uint64_t* sums;
    std::uint32_t* others;    // [8 * bytes + 1]
    std::uint32_t* relevant;  // likewise
};

constexpr std::size_t hamming_counts_scratch(std::size_t bytes) {
    return 2 * (8 * bytes + 1) * kCountWords;
}

using HammingCountsFn = void (*)(const HammingCounts&);

namespace hamming_counts {
void scalar(const HammingCounts&);
void avx2(const HammingCounts&);
void avx512(const HammingCounts&);  // needs VPOPCNTDQ
void neon(const HammingCounts&);
}  // namespace hamming_counts
}  // namespace bitgrove
