#include <immintrin.h>

#include "bitgrove/dot_scan.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl")

// The maskz forms with a full mask are the plain instructions; the plain forms make gcc 12 warn
// about variables of its own headers.

namespace bitgrove::dot_scan {
namespace {

inline __mmask16 first(std::size_t n) {
    return static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1u);
}

void widen_u8(const std::uint8_t* x, std::size_t n, float* out) {
    for (std::size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = first(n - i);
        const __m512i wide = _mm512_maskz_cvtepu8_epi32(mask, _mm_maskz_loadu_epi8(mask, x + i));
        _mm512_mask_storeu_ps(out + i, mask, _mm512_maskz_cvtepi32_ps(mask, wide));
    }
}

void widen_f16(const std::uint16_t* x, std::size_t n, float* out) {
    for (std::size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = first(n - i);
        const __m256i halves = _mm256_maskz_loadu_epi16(mask, x + i);
        _mm512_mask_storeu_ps(out + i, mask, _mm512_maskz_cvtph_ps(mask, halves));
    }
}

std::size_t reach(const float* dots, std::size_t count, std::size_t n, const float* rows,
                  const float* queries, std::uint32_t* out) {
    std::size_t found = 0;
    for (std::size_t r = 0; r < count; ++r) {
        const __m512 row = _mm512_set1_ps(rows[r]);
        for (std::size_t q = 0; q < n; q += 16) {
            const __m512 least = _mm512_add_ps(row, _mm512_loadu_ps(queries + q));
            const __m512 dot = _mm512_loadu_ps(dots + r * n + q);
            for (unsigned bits = _mm512_cmp_ps_mask(dot, least, _CMP_GE_OQ); bits;
                 bits &= bits - 1) {
                const auto lane = static_cast<std::size_t>(__builtin_ctz(bits));
                out[found++] = static_cast<std::uint32_t>(r * n + q + lane);
            }
        }
    }
    return found;
}

}  // namespace

const DotScanKernels avx512{.widen_u8 = widen_u8, .widen_f16 = widen_f16, .reach = reach};

}  // namespace bitgrove::dot_scan
#pragma GCC pop_options
