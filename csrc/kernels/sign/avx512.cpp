#include <immintrin.h>

#include "bitgrove/sign.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq")

namespace bitgrove::sign {
namespace {

void signs(const float* x, std::size_t n, float* out) {
    const __m512 plus = _mm512_set1_ps(1.0f), minus = _mm512_set1_ps(-1.0f);
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __mmask16 ge =
            _mm512_cmp_ps_mask(_mm512_loadu_ps(x + i), _mm512_setzero_ps(), _CMP_GE_OQ);
        _mm512_storeu_ps(out + i, _mm512_mask_blend_ps(ge, minus, plus));
    }
    scalar.signs(x + i, n - i, out + i);
}

void approx(const float* gradient, const float* x, std::size_t n, float* out) {
    const __m512 one = _mm512_set1_ps(1.0f), two = _mm512_set1_ps(2.0f);
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m512 height = _mm512_sub_ps(one, _mm512_abs_ps(_mm512_loadu_ps(x + i)));
        // The maximum is its second operand where one is NaN.
        const __m512 slope = _mm512_mul_ps(two, _mm512_max_ps(_mm512_setzero_ps(), height));
        _mm512_storeu_ps(out + i, _mm512_mul_ps(_mm512_loadu_ps(gradient + i), slope));
    }
    scalar.approx(gradient + i, x + i, n - i, out + i);
}

}  // namespace

const SignKernels avx512{.signs = signs, .approx = approx};

}  // namespace bitgrove::sign
#pragma GCC pop_options
