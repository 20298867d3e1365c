// Packs comparisons into bits.
//
//     bit c of row r of `out` = (x[r*x_stride + c] >= thresholds[c]) XOR flip bit c
//
// Bit c is bit (c % 64) of word (c / 64), least significant first; padding bits are zero. A null
// `thresholds` stands for zeros, so that sign(+0) = sign(-0) = +1; a null `flip` for no flips. NaN
// compares false. Row r of `out` are the words_for(cols) words from r*out_stride on; nothing else
// is read or written. Bits of `flip` past `cols` must be zero.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove {

using PackSignsFn = void (*)(const float* x, std::size_t rows, std::size_t cols,
                             std::size_t x_stride, const float* thresholds,
                             const std::uint64_t* flip, std::uint64_t* out, std::size_t out_stride);

constexpr std::size_t words_for(std::size_t bits) {
    return (bits + 63) / 64;
}

namespace pack_signs {
void scalar(const float*, std::size_t, std::size_t, std::size_t, const float*, const std::uint64_t*,
            std::uint64_t*, std::size_t);
void avx2(const float*, std::size_t, std::size_t, std::size_t, const float*, const std::uint64_t*,
          std::uint64_t*, std::size_t);
void avx512(const float*, std::size_t, std::size_t, std::size_t, const float*, const std::uint64_t*,
            std::uint64_t*, std::size_t);
void neon(const float*, std::size_t, std::size_t, std::size_t, const float*, const std::uint64_t*,
          std::uint64_t*, std::size_t);
}  // namespace pack_signs
}  // namespace bitgrove
