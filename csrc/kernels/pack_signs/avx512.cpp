#include <immintrin.h>

#include "bitgrove/pack_signs.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw")

namespace bitgrove::pack_signs {

// Word by word, so that the thresholds of 64 channels stay in registers over the rows.
void avx512(const float* x, std::size_t rows, std::size_t cols, std::size_t x_stride,
            const float* thresholds, const std::uint64_t* flip, std::uint64_t* out,
            std::size_t out_stride) {
    for (std::size_t w = 0; w < words_for(cols); ++w) {
        const std::size_t first = w * 64;
        // The masks keep the loads inside the row and the padding bits zero.
        __mmask16 mask[4];
        __m512 t[4];
        for (std::size_t q = 0; q < 4; ++q) {
            const std::size_t c = first + 16 * q, left = c < cols ? cols - c : 0;
            mask[q] = static_cast<__mmask16>(left >= 16 ? 0xffffu : (1u << left) - 1u);
            t[q] =
                thresholds ? _mm512_maskz_loadu_ps(mask[q], thresholds + c) : _mm512_setzero_ps();
        }
        const std::uint64_t turned = flip ? flip[w] : 0;
        const float* from = x + first;
        std::uint64_t* to = out + w;
        for (std::size_t r = 0; r < rows; ++r, from += x_stride, to += out_stride) {
            std::uint64_t bits = 0;
            for (std::size_t q = 0; q < 4; ++q) {
                const __m512 numbers = _mm512_maskz_loadu_ps(mask[q], from + 16 * q);
                const __mmask16 ge = _mm512_mask_cmp_ps_mask(mask[q], numbers, t[q], _CMP_GE_OQ);
                bits |= static_cast<std::uint64_t>(_cvtmask16_u32(ge)) << (16 * q);
            }
            *to = bits ^ turned;
        }
    }
}

}  // namespace bitgrove::pack_signs
#pragma GCC pop_options
