#include <immintrin.h>

#include "bitgrove/sign.hpp"

#pragma GCC push_options
#pragma GCC target("avx2")

namespace bitgrove::sign {
namespace {

__m256 magnitude(__m256 x) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}

void signs(const float* x, std::size_t n, float* out) {
    const __m256 plus = _mm256_set1_ps(1.0f), minus = _mm256_set1_ps(-1.0f);
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 ge = _mm256_cmp_ps(_mm256_loadu_ps(x + i), _mm256_setzero_ps(), _CMP_GE_OQ);
        _mm256_storeu_ps(out + i, _mm256_blendv_ps(minus, plus, ge));
    }
    scalar.signs(x + i, n - i, out + i);
}

void approx(const float* gradient, const float* x, std::size_t n, float* out) {
    const __m256 one = _mm256_set1_ps(1.0f), two = _mm256_set1_ps(2.0f);
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 height = _mm256_sub_ps(one, magnitude(_mm256_loadu_ps(x + i)));
        // The maximum is its second operand where one is NaN.
        const __m256 slope = _mm256_mul_ps(two, _mm256_max_ps(_mm256_setzero_ps(), height));
        _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_loadu_ps(gradient + i), slope));
    }
    scalar.approx(gradient + i, x + i, n - i, out + i);
}

}  // namespace

const SignKernels avx2{.signs = signs, .approx = approx};

}  // namespace bitgrove::sign
#pragma GCC pop_options
