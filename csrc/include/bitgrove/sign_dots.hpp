// Binary convolution along a row of pixels by a unit that multiplies matrices of bytes (AMX):
// faster than counting bits where a CPU has one, and as exact.
//
//     out[p*out_stride + o] = sum over k of filter_o[k] * patch_p[k]
//
// for p < pixels and o < outs, as float32. Patches and filters are bytes of +1 and -1; filters have
// 0 where a channel is padding. The length of every run is a multiple of 64. Sums are at most 2^24.
//
//     enter(pixels)                 once per thread and row length, before the rest
//     expand_input(words, n, to)    signs to bytes: bit 1 is +1, bit 0 is -1; to: 64*n bytes
//     expand_filters(...)           a block of up to 64 filters, laid out for `run`
//     run(...)                      many rows of pixels against that block
//     leave()                       gives the unit back
#pragma once
#include <cstddef>
#include <cstdint>

#include "bitgrove/runs.hpp"

namespace bitgrove {

struct SignDots {
    const std::int8_t* x;
    std::ptrdiff_t pixel_stride;  // in bytes
    std::size_t pixels;           // those given to enter()
    const Run* runs;
    std::size_t run_count;
    const void* filters;  // from expand_filters, 64-byte aligned
    std::size_t words;    // sum of the runs' lengths / 64
    std::size_t outs;     // at most 64
    float* out;
    std::size_t out_stride;
};

struct SignDotsKernels {
    void (*enter)(std::size_t pixels);
    void (*leave)();
    void (*expand_input)(const std::uint64_t* words, std::size_t n, std::int8_t* to);
    // rows: outs*words; to: filter_bytes(words). Bytes of padding channels become 0: word i of a
    // row has the channels of mask[i % mask_count].
    void (*expand_filters)(const std::uint64_t* rows, std::size_t outs, std::size_t words,
                           const std::uint64_t* mask, std::size_t mask_count, void* to);
    std::size_t (*filter_bytes)(std::size_t words);
    void (*run)(const SignDots&);
};

namespace sign_dots {
extern const SignDotsKernels amx;
}  // namespace sign_dots
}  // namespace bitgrove
