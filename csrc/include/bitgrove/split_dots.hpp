// Real convolution of an image by a unit that multiplies matrices of bfloat16 (AMX), as accurate as
// float32 arithmetic.
//
//     out[r*out_row_stride + p*out_stride + o] = bias[o] + sum over k of filter_o[k] * patch_rp[k]
//
// for r < rows, p < pixels and o < outs; a null `bias` stands for zeros. The patch of a pixel are
// `runs` stretches of `length` numbers, such as one for each row of the kernel. `split` prepares a
// stretch for all pixels of a row at once, and results share such rows: pixel p of row r reads
// stretch p of the split rows x[r*row_step], x[r*row_step + 1] to x[r*row_step + runs - 1], in
// order. Many pixels at a time are better than a few, and an even number of rows better than an odd
// one. Where pixels are a multiple of 16 and outputs of 32, sums of many runs are the fastest.
//
// A float32 is the sum h + m + l of three bfloat16, and a product of two is hh + mh + lh + hm + mm
// + hl up to about 2^-24 of it. `split` makes such parts of inputs, `pack` of filters, and `run`
// adds the six products in float32. Where sums of the parts' products are integers below 2^24 the
// result is exact; else its error is at most twice that of a chain of fused multiply-adds, and
// mostly smaller, but for sums of one or two products, where it is below 2^-22. The order of the
// sum is fixed: a result does not depend on how a layer is cut into calls. Parts below 2^-126 count
// as zero, so that numbers below 2^-110 lose bits; a number that is not finite makes every result
// that reads it infinite or NaN, and no other.
//
// Filters are laid out in blocks of `block` outputs (a divisor of 64); a call may start at any
// block: `weight` then points at the first, `block_bytes(runs, length)` apart. Only what is named
// here is read, nothing is written but results. Split rows and filters are 64-byte aligned.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove {

struct SplitDots {
    const void* const* x;  // (rows - 1)*row_step + runs split rows, of `pixels` and `length`
    std::size_t row_step;
    std::size_t rows, pixels;  // of the result
    std::size_t runs, length;
    const void* weight;
    const float* bias;
    std::size_t outs;
    float* out;
    std::size_t out_row_stride, out_stride;
};

struct SplitDotsKernels {
    std::size_t block;  // outputs
    // Bytes of a split row, and of one block of filters: multiples of 64.
    std::size_t (*row_bytes)(std::size_t pixels, std::size_t length);
    std::size_t (*block_bytes)(std::size_t runs, std::size_t length);
    // rows: outs*runs*length, row-major; to: ceil(outs / block) blocks, written whole.
    void (*pack)(const float* rows, std::size_t outs, std::size_t runs, std::size_t length,
                 void* to);
    // Stretch p are the `length` numbers at x + p*pixel_stride, which may overlap; what lies
    // between them may be read. to: row_bytes(pixels, length), written whole.
    void (*split)(const float* x, std::ptrdiff_t pixel_stride, std::size_t pixels,
                  std::size_t length, void* to);
    void (*run)(const SplitDots&);
};

namespace split_dots {
// Only where cpu_has_amx_bf16() has said yes in this process.
extern const SplitDotsKernels amx;
}  // namespace split_dots
}  // namespace bitgrove
