// Binary convolution along a row of pixels: packed signs against packed filters.
//
//     out[p*out_stride + o] = length - 2 * popcount(patch_p XOR filter_o)
//
// for p < pixels and o < outs, as float32. Patch p are the words of `runs` at x + p*pixel_stride,
// in order. Padding bits are zero in patches and filters alike, so that they never count; `length`
// is the number of signs in a filter, at most 2^24, so that every result is exact.
//
// Filters are laid out once by `pack`, in blocks of `block` outputs (a divisor of 64); a call may
// start at any block: `weight` then points at the first, `block_bytes(words)` apart. Where `outs`
// is no multiple of the block, the last block is padded, and nothing is written past `outs`.
// Reads nothing but the words named by the runs. `weight` is 64-byte aligned.
#pragma once
#include <cstddef>
#include <cstdint>

#include "bitgrove/runs.hpp"

namespace bitgrove {

struct BinaryDots {
    const std::uint64_t* x;
    std::ptrdiff_t pixel_stride;  // in words
    std::size_t pixels;
    const Run* runs;
    std::size_t run_count;
    std::size_t words;  // sum of the runs' lengths
    const void* weight;
    std::size_t outs;
    std::int32_t length;
    float* out;
    std::size_t out_stride;
};

struct BinaryDotsKernels {
    std::size_t block;  // outputs
    // Bytes of one block of filters of so many words: a multiple of 64.
    std::size_t (*block_bytes)(std::size_t words);
    // rows: outs*words, row-major; to: ceil(outs / block) * block_bytes(words), written whole.
    void (*pack)(const std::uint64_t* rows, std::size_t outs, std::size_t words, void* to);
    void (*run)(const BinaryDots&);
};

namespace binary_dots {
extern const BinaryDotsKernels scalar;
extern const BinaryDotsKernels avx2;
extern const BinaryDotsKernels avx512bw;  // without VPOPCNTDQ
extern const BinaryDotsKernels avx512;
extern const BinaryDotsKernels neon;
}  // namespace binary_dots
}  // namespace bitgrove
