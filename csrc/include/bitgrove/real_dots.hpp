// Real convolution along a row of pixels, with real filters or filters of +1 and -1.
//
//     out[p*out_stride + o] = bias[o] + sum over k of filter_o[k] * patch_p[k]
//
// for p < pixels and o < outs. Patch p are the numbers of `runs` at x + p*pixel_stride, in order; a
// null `bias` stands for zeros. The sum runs over k in order, one accumulator per output, with a
// fused multiply-add where the level has one, whatever `pixels` and `outs` are: a result does not
// depend on how a layer is cut into calls. Levels may differ by float rounding.
//
// Filters are laid out once by `pack` (real) or `pack_signs` (one bit per weight), in blocks of
// `block` outputs (a divisor of 64); a call may start at any block: `weight` then points at the
// first, `block_bytes(size)` or `sign_block_bytes(size)` apart. The last block is padded, and
// nothing is written past `outs`. Reads nothing but the numbers named by the runs. `weight` is
// 64-byte aligned.
#pragma once
#include <cstddef>
#include <cstdint>

#include "bitgrove/runs.hpp"

namespace bitgrove {

struct RealDots {
    const float* x;
    std::ptrdiff_t pixel_stride;  // in numbers
    std::size_t pixels;
    const Run* runs;
    std::size_t run_count;
    std::size_t size;  // sum of the runs' lengths
    const void* weight;
    const float* bias;
    std::size_t outs;
    float* out;
    std::size_t out_stride;
};

struct RealDotsKernels {
    std::size_t block;  // outputs
    // Bytes of one block of filters of so many weights: multiples of 64.
    std::size_t (*block_bytes)(std::size_t size);
    std::size_t (*sign_block_bytes)(std::size_t size);
    // rows: outs*size, row-major; to: ceil(outs / block) * block_bytes(size), written whole.
    void (*pack)(const float* rows, std::size_t outs, std::size_t size, void* to);
    // rows: outs*words_for(size); weight k of a row is bit k, least significant first, 1 is +1.
    void (*pack_signs)(const std::uint64_t* rows, std::size_t outs, std::size_t size, void* to);
    void (*run)(const RealDots&);
    void (*run_signs)(const RealDots&);
};

namespace real_dots {
extern const RealDotsKernels scalar;
extern const RealDotsKernels avx2;
extern const RealDotsKernels avx512;  // needs F, BW, DQ and VL
extern const RealDotsKernels neon;
}  // namespace real_dots
}  // namespace bitgrove
