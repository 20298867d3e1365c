// Convolution of bytes along a row of pixels, for layers that a file says are quantised.
//
//     out[p*out_stride + o] = scale[o] * (offset[o] + sum over k of filter_o[k] * patch_p[k]) +
//     bias[o]
//
// Patches are unsigned bytes, filters signed ones in -127 to 127; the sum, with its offset, is an
// exact int32 (at most 2^16 weights), turned to float32, multiplied, and added to without fusing:
// all levels agree bit for bit. The length of every run is a multiple of 4; weights that only fill
// a run up are zero, so what they meet does not matter, but it is read.
//
// Filters are laid out once by `pack`, as in real_dots.hpp.
#pragma once
#include <cstddef>
#include <cstdint>

#include "bitgrove/runs.hpp"

namespace bitgrove {

struct ByteDots {
    const std::uint8_t* x;
    std::ptrdiff_t pixel_stride;  // in bytes
    std::size_t pixels;
    const Run* runs;
    std::size_t run_count;
    std::size_t size;  // sum of the runs' lengths
    const void* weight;
    const std::int32_t* offset;
    const float* scale;
    const float* bias;
    std::size_t outs;
    float* out;
    std::size_t out_stride;
};

struct ByteDotsKernels {
    std::size_t block;  // outputs
    std::size_t (*block_bytes)(std::size_t size);
    void (*pack)(const std::int8_t* rows, std::size_t outs, std::size_t size, void* to);
    void (*run)(const ByteDots&);
    // out[i] = min(max(round(x[i] / step), -zero), 255 - zero) + zero; ties round to even.
    void (*quantise)(const float* x, std::size_t n, float step, int zero, std::uint8_t* out);
};

namespace byte_dots {
extern const ByteDotsKernels scalar;
extern const ByteDotsKernels avx2;
extern const ByteDotsKernels avx512bw;  // without VNNI
extern const ByteDotsKernels avx512;    // with VNNI
extern const ByteDotsKernels neon;
}  // namespace byte_dots
}  // namespace bitgrove
