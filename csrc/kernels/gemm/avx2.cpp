#include <immintrin.h>

#include "bitgrove/gemm.hpp"

#pragma GCC push_options
#pragma GCC target("avx2,fma")

namespace bitgrove::gemm {
namespace {

// Rows i .. i+ROWS of c, columns j .. j+8*COLS, kept in registers over the whole of k.
template <std::size_t ROWS, std::size_t COLS>
inline void tile(const float* a, const float* b, const float* bias, std::size_t n, std::size_t k,
                 float* c) {
    __m256 sum[ROWS][COLS];
    for (std::size_t q = 0; q < COLS; ++q) {
        const __m256 start = bias ? _mm256_loadu_ps(bias + 8 * q) : _mm256_setzero_ps();
        for (std::size_t r = 0; r < ROWS; ++r) sum[r][q] = start;
    }
    for (std::size_t p = 0; p < k; ++p) {
        __m256 right[COLS];
        for (std::size_t q = 0; q < COLS; ++q) right[q] = _mm256_loadu_ps(b + p * n + 8 * q);
        for (std::size_t r = 0; r < ROWS; ++r) {
            const __m256 left = _mm256_set1_ps(a[r * k + p]);
            for (std::size_t q = 0; q < COLS; ++q) {
                sum[r][q] = _mm256_fmadd_ps(left, right[q], sum[r][q]);
            }
        }
    }
    for (std::size_t r = 0; r < ROWS; ++r) {
        for (std::size_t q = 0; q < COLS; ++q) _mm256_storeu_ps(c + r * n + 8 * q, sum[r][q]);
    }
}

template <std::size_t ROWS>
inline void band(const float* a, const float* b, const float* bias, std::size_t n, std::size_t k,
                 float* c) {
    std::size_t j = 0;
    for (; j + 2 * 8 <= n; j += 2 * 8) {
        tile<ROWS, 2>(a, b + j, bias ? bias + j : nullptr, n, k, c + j);
    }
    for (; j + 8 <= n; j += 8) tile<ROWS, 1>(a, b + j, bias ? bias + j : nullptr, n, k, c + j);
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

void avx2(const float* a, const float* b, const float* bias, std::size_t m, std::size_t n,
          std::size_t k, float* c) {
    std::size_t i = 0;
    for (; i + 4 <= m; i += 4) band<4>(a + i * k, b, bias, n, k, c + i * n);
    for (; i < m; ++i) band<1>(a + i * k, b, bias, n, k, c + i * n);
}

}  // namespace bitgrove::gemm
#pragma GCC pop_options
