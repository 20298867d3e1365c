// What a window does to each channel by itself, along a row of pixels: pooling and depthwise
// convolution.
//
//     maximum:   out[p][c] = max over t of x[p*pixel_stride + offsets[t] + c]
//     sum:       out[p][c] = sum over t, in order, from 0
//     weighted:  out[p][c] = bias[c] + sum over t, in order, of weight[t*channels + c] * x[...]
//
// for p < pixels and c < channels, out[p][c] being out[p*out_stride + c]. `count` is at least 1.
// `weighted` fuses multiply and add where the level can; a null bias stands for zeros. NaN may not
// come. Nothing past `channels` is read or written.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove {

struct Taps {
    const float* x;
    std::ptrdiff_t pixel_stride;  // in numbers
    std::size_t pixels;
    const std::ptrdiff_t* offsets;
    std::size_t count;
    const float* weight;  // of weighted: count*channels
    const float* bias;
    std::size_t channels;
    float* out;
    std::size_t out_stride;
};

struct TapsKernels {
    void (*maximum)(const Taps&);
    void (*sum)(const Taps&);
    void (*weighted)(const Taps&);
};

namespace taps {
extern const TapsKernels scalar;
extern const TapsKernels avx2;
extern const TapsKernels avx512;  // needs F, BW, DQ and VL
extern const TapsKernels neon;
}  // namespace taps
}  // namespace bitgrove
