#include <immintrin.h>

#include <cstddef>

#include "bitgrove/gemm.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,fma")

#include "tiles.hpp"

namespace bitgrove::gemm {
namespace {

struct Vector {
    using Lanes = __m512;
    static constexpr std::size_t width = 16;
    static Lanes load(const float* p) { return _mm512_loadu_ps(p); }
    static void store(float* p, Lanes x) { _mm512_storeu_ps(p, x); }
    static Lanes set(float x) { return _mm512_set1_ps(x); }
    static Lanes zero() { return _mm512_setzero_ps(); }
    static Lanes fma(Lanes x, Lanes y, Lanes z) { return _mm512_fmadd_ps(x, y, z); }
};

}  // namespace

void avx512(const float* a, const float* b, const float* bias, std::size_t m, std::size_t n,
            std::size_t k, float* c) {
    product<Vector>(a, b, bias, m, n, k, c);
}

}  // namespace bitgrove::gemm
#pragma GCC pop_options
