#include <immintrin.h>

#include "bitgrove/dot_scan.hpp"

#pragma GCC push_options
#pragma GCC target("avx2,f16c")

namespace bitgrove::dot_scan {
namespace {

void widen_u8(const std::uint8_t* x, std::size_t n, float* out) {
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x + i));
        _mm256_storeu_ps(out + i, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)));
    }
    for (; i < n; ++i) out[i] = x[i];
}

void widen_f16(const std::uint16_t* x, std::size_t n, float* out) {
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i));
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(halves));
    }
    for (; i < n; ++i) out[i] = _cvtsh_ss(x[i]);
}

std::size_t reach(const float* dots, std::size_t count, std::size_t n, const float* rows,
                  const float* queries, std::uint32_t* out) {
    std::size_t found = 0;
    for (std::size_t r = 0; r < count; ++r) {
        const __m256 row = _mm256_set1_ps(rows[r]);
        for (std::size_t q = 0; q < n; q += 8) {
            const __m256 least = _mm256_add_ps(row, _mm256_loadu_ps(queries + q));
            const __m256 near = _mm256_cmp_ps(_mm256_loadu_ps(dots + r * n + q), least, _CMP_GE_OQ);
            for (auto bits = static_cast<unsigned>(_mm256_movemask_ps(near)); bits;
                 bits &= bits - 1) {
                const auto lane = static_cast<std::size_t>(__builtin_ctz(bits));
                out[found++] = static_cast<std::uint32_t>(r * n + q + lane);
            }
        }
    }
    return found;
}

}  // namespace

const DotScanKernels avx2{.widen_u8 = widen_u8, .widen_f16 = widen_f16, .reach = reach};

}  // namespace bitgrove::dot_scan
#pragma GCC pop_options
