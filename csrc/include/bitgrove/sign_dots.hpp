// Binary convolution of an image by a unit that multiplies matrices of bytes (AMX): as exact as
// counting bits. For 3x3 kernels of stride 1 it took 0.55 to 0.85 of the time in which a loop in
// registers could count them; for 3x3 kernels of stride 2, 0.85 to 1.05 of it.
//
//     out[r*out_row_stride + p*out_stride + o] = sum over k < length of filter_o[k] * patch_rp[k]
//
// for r < rows, p < pixels and o < outs, as float32, where all numbers are +1 or -1. The patch of
// pixel p in row r are the bytes of `runs` at x + r*row_stride + p*pixel_stride, in order. Any part
// of an image will do; many rows at a time are better than one.
//
// Patches are bytes that `expand` made of packed signs; filters stay packed, laid out by `pack` in
// blocks of `block` outputs (a divisor of 64). A call may start at any block: `weight` then points
// at the first, `block_bytes(words)` apart. The length of every run is a multiple of 64. As in
// binary_dots.hpp, bits that only fill up a word are zero in inputs and filters alike, and `length`
// is the number of signs in a filter, at most 2^24. Between the first and the last pixel of a row,
// and from row to row, `run` may read and ignore what the strides step over, but nothing outside
// the patches' first to last byte. It writes nothing but the results.
#pragma once
#include <cstddef>
#include <cstdint>

#include "bitgrove/runs.hpp"

namespace bitgrove {

struct SignDots {
    const std::int8_t* x;
    std::ptrdiff_t row_stride;    // in bytes
    std::ptrdiff_t pixel_stride;  // in bytes
    std::size_t rows, pixels;     // of the result
    const Run* runs;              // in bytes
    std::size_t run_count;
    std::size_t words;   // sum of the runs' lengths / 64
    const void* weight;  // 64-byte aligned
    std::size_t outs;
    std::int32_t length;
    float* out;
    std::size_t out_row_stride, out_stride;
};

struct SignDotsKernels {
    std::size_t block;  // outputs
    // Bytes of one block of filters of so many words: a multiple of 64.
    std::size_t (*block_bytes)(std::size_t words);
    // rows: outs*words, row-major; to: ceil(outs / block) * block_bytes(words), written whole.
    void (*pack)(const std::uint64_t* rows, std::size_t outs, std::size_t words, void* to);
    // Signs to bytes: bit 1 is +1, bit 0 is -1; to: 64*n bytes, best 64-byte aligned.
    void (*expand)(const std::uint64_t* words, std::size_t n, std::int8_t* to);
    void (*run)(const SignDots&);
};

namespace sign_dots {
// Only where cpu_has_amx() has said yes in this process.
extern const SignDotsKernels amx;
}  // namespace sign_dots
}  // namespace bitgrove
