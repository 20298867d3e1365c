#include <immintrin.h>

#include "bitgrove/gemm.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,fma")

namespace bitgrove::gemm {
namespace {

// Rows i .. i+ROWS of c, columns j .. j+16*COLS, kept in registers over the whole of k.
template <std::size_t ROWS, std::size_t COLS>
inline void tile(const float* a, const float* b, const float* bias, std::size_t n, std::size_t k,
                 float* c) {
    __m512 sum[ROWS][COLS];
    for (std::size_t q = 0; q < COLS; ++q) {
        const __m512 start = bias ? _mm512_loadu_ps(bias + 16 * q) : _mm512_setzero_ps();
        for (std::size_t r = 0; r < ROWS; ++r) sum[r][q] = start;
    }
    for (std::size_t p = 0; p < k; ++p) {
        __m512 right[COLS];
        for (std::size_t q = 0; q < COLS; ++q) right[q] = _mm512_loadu_ps(b + p * n + 16 * q);
        for (std::size_t r = 0; r < ROWS; ++r) {
            const __m512 left = _mm512_set1_ps(a[r * k + p]);
            for (std::size_t q = 0; q < COLS; ++q) {
                sum[r][q] = _mm512_fmadd_ps(left, right[q], sum[r][q]);
            }
        }
    }
    for (std::size_t r = 0; r < ROWS; ++r) {
        for (std::size_t q = 0; q < COLS; ++q) _mm512_storeu_ps(c + r * n + 16 * q, sum[r][q]);
    }
}

template <std::size_t ROWS>
inline void band(const float* a, const float* b, const float* bias, std::size_t n, std::size_t k,
                 float* c) {
    std::size_t j = 0;
    for (; j + 2 * 16 <= n; j += 2 * 16) {
        tile<ROWS, 2>(a, b + j, bias ? bias + j : nullptr, n, k, c + j);
    }
    for (; j + 16 <= n; j += 16) tile<ROWS, 1>(a, b + j, bias ? bias + j : nullptr, n, k, c + j);
    for (; j < n; ++j) {
        for (std::size_t r = 0; r < ROWS; ++r) {
            float sum = bias ? bias[j] : 0.0f;
            for (std::size_t p = 0; p < k; ++p) {
                sum = __builtin_fmaf(a[r * k + p], b[p * n + j], sum);
            }
            c[r * n + j] = sum;
        }
    }
}

}  // namespace

void avx512(const float* a, const float* b, const float* bias, std::size_t m, std::size_t n,
            std::size_t k, float* c) {
    std::size_t i = 0;
    for (; i + 4 <= m; i += 4) band<4>(a + i * k, b, bias, n, k, c + i * n);
    for (; i < m; ++i) band<1>(a + i * k, b, bias, n, k, c + i * n);
}

}  // namespace bitgrove::gemm
#pragma GCC pop_options
