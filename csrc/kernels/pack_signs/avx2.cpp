#include <immintrin.h>

#include "bitgrove/pack_signs.hpp"

#pragma GCC push_options
#pragma GCC target("avx2")

namespace bitgrove::pack_signs {
namespace {

inline std::uint64_t tail(const float* x, const float* thresholds, std::size_t first,
                          std::size_t last) {
    std::uint64_t bits = 0;
    for (std::size_t c = first; c < last; ++c) {
        bits |= static_cast<std::uint64_t>(x[c] >= (thresholds ? thresholds[c] : 0.0f)) << c;
    }
    return bits;
}

}  // namespace

// Word by word, so that the thresholds of 64 channels stay in registers over the rows.
void avx2(const float* x, std::size_t rows, std::size_t cols, std::size_t x_stride,
          const float* thresholds, const std::uint64_t* flip, std::uint64_t* out,
          std::size_t out_stride) {
    for (std::size_t w = 0; w < words_for(cols); ++w) {
        const std::size_t first = w * 64, count = cols - first < 64 ? cols - first : 64;
        const std::size_t whole = count / 8;
        const float* of_word = thresholds ? thresholds + first : nullptr;
        __m256 t[8];
        for (std::size_t q = 0; q < 8; ++q) {
            t[q] = of_word && q < whole ? _mm256_loadu_ps(of_word + 8 * q) : _mm256_setzero_ps();
        }
        const std::uint64_t turned = flip ? flip[w] : 0;
        const float* from = x + first;
        std::uint64_t* to = out + w;
        for (std::size_t r = 0; r < rows; ++r, from += x_stride, to += out_stride) {
            std::uint64_t bits = 0;
            for (std::size_t q = 0; q < whole; ++q) {
                const __m256 ge = _mm256_cmp_ps(_mm256_loadu_ps(from + 8 * q), t[q], _CMP_GE_OQ);
                bits |= static_cast<std::uint64_t>(_mm256_movemask_ps(ge)) << (8 * q);
            }
            *to = (bits | tail(from, of_word, 8 * whole, count)) ^ turned;
        }
    }
}

}  // namespace bitgrove::pack_signs
#pragma GCC pop_options
