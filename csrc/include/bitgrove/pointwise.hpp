// What is done to each number of a tile by itself, in place or on the way to another.
//
// A tile is `pixels` rows of `channels` numbers, `stride` apart; where `to` is not null, results go
// there, `to_stride` apart, and the tile stays as it is. Every step rounds after each
// multiplication and each addition (nothing is fused), so that all levels agree bit for bit.
// Vectors of one number per channel start at the tile's first channel.
//
//     affine:       x * scale[c] + bias[c]; a null scale stands for ones, a null bias for zeros
//     affine_add:   the same, plus other[p*other_stride + c]
//     add, multiply: with other[p*other_stride + c]
//     scale_pixels: x * factor[p*factor_stride]
//     relu:         max(x, 0)
//     clip:         x between low and high; beyond them a line of this slope from the border:
//                   high + (x - high) * slope, low + (x - low) * slope
//     prelu:        with y = x + before[c]: (y >= 0 ? y : y * slope[c]) + after[c]; null shifts
//                   stand for zeros
//     signs:        x >= threshold[c] (null: 0) ? 1 : -1
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove {

struct Rows {
    float* data;
    std::size_t stride, pixels, channels;
    float* to = nullptr;
    std::size_t to_stride = 0;
};

struct PointwiseKernels {
    void (*affine)(const Rows&, const float* scale, const float* bias);
    void (*affine_add)(const Rows&, const float* scale, const float* bias, const float* other,
                       std::size_t other_stride);
    void (*add)(const Rows&, const float* other, std::size_t other_stride);
    void (*multiply)(const Rows&, const float* other, std::size_t other_stride);
    void (*scale_pixels)(const Rows&, const float* factor, std::size_t factor_stride);
    void (*relu)(const Rows&);
    void (*clip)(const Rows&, float low, float high, float slope);
    void (*prelu)(const Rows&, const float* slope, const float* before, const float* after);
    void (*signs)(const Rows&, const float* threshold);
};

namespace pointwise {
extern const PointwiseKernels scalar;
extern const PointwiseKernels avx2;
extern const PointwiseKernels avx512;  // needs F, BW, DQ and VL
extern const PointwiseKernels neon;
}  // namespace pointwise
}  // namespace bitgrove
