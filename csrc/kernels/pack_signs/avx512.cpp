#include <immintrin.h>

#include "bitgrove/pack_signs.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f")

namespace bitgrove::pack_signs {

void avx512(const float* x, std::size_t rows, std::size_t cols, std::size_t x_stride,
            const float* thresholds, const std::uint64_t* flip, std::uint64_t* out,
            std::size_t out_stride) {
    const std::size_t words = words_for(cols);
    for (std::size_t r = 0; r < rows; ++r) {
        const float* row = x + r * x_stride;
        for (std::size_t w = 0; w < words; ++w) {
            std::uint64_t bits = 0;
            for (std::size_t step = 0; step < 64 && w * 64 + step < cols; step += 16) {
                const std::size_t c = w * 64 + step;
                const std::size_t left = cols - c;
                // The mask keeps the load inside the row and the padding bits zero.
                const auto mask = static_cast<__mmask16>(left >= 16 ? 0xffffu : (1u << left) - 1u);
                const __m512 t =
                    thresholds ? _mm512_maskz_loadu_ps(mask, thresholds + c) : _mm512_setzero_ps();
                const __mmask16 ge = _mm512_mask_cmp_ps_mask(
                    mask, _mm512_maskz_loadu_ps(mask, row + c), t, _CMP_GE_OQ);
                bits |= static_cast<std::uint64_t>(ge) << step;
            }
            out[r * out_stride + w] = bits ^ (flip ? flip[w] : 0);
        }
    }
}

}  // namespace bitgrove::pack_signs
#pragma GCC pop_options
