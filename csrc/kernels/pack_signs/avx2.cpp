#include <immintrin.h>

#include "bitgrove/pack_signs.hpp"

#pragma GCC push_options
#pragma GCC target("avx2")

namespace bitgrove::pack_signs {

void avx2(const float* x, std::size_t rows, std::size_t cols, std::size_t x_stride,
          const float* thresholds, const std::uint64_t* flip, std::uint64_t* out,
          std::size_t out_stride) {
    const std::size_t words = words_for(cols);
    for (std::size_t r = 0; r < rows; ++r) {
        const float* row = x + r * x_stride;
        for (std::size_t w = 0; w < words; ++w) {
            const std::size_t begin = w * 64;
            const std::size_t end = cols < begin + 64 ? cols : begin + 64;
            std::uint64_t bits = 0;
            std::size_t c = begin;
            for (; c + 8 <= end; c += 8) {
                const __m256 t = thresholds ? _mm256_loadu_ps(thresholds + c) : _mm256_setzero_ps();
                const __m256 ge = _mm256_cmp_ps(_mm256_loadu_ps(row + c), t, _CMP_GE_OQ);
                bits |= static_cast<std::uint64_t>(_mm256_movemask_ps(ge)) << (c - begin);
            }
            for (; c < end; ++c) {
                const float threshold = thresholds ? thresholds[c] : 0.0f;
                bits |= static_cast<std::uint64_t>(row[c] >= threshold) << (c - begin);
            }
            out[r * out_stride + w] = bits ^ (flip ? flip[w] : 0);
        }
    }
}

}  // namespace bitgrove::pack_signs
#pragma GCC pop_options
