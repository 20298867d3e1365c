#include <immintrin.h>

#include <cstddef>

#include "bitgrove/gemm.hpp"

#pragma GCC push_options
#pragma GCC target("avx2,fma")

#include "tiles.hpp"

namespace bitgrove::gemm {
namespace {

struct Vector {
    using Lanes = __m256;
    static constexpr std::size_t width = 8;
    static Lanes load(const float* p) { return _mm256_loadu_ps(p); }
    static void store(float* p, Lanes x) { _mm256_storeu_ps(p, x); }
    static Lanes set(float x) { return _mm256_set1_ps(x); }
    static Lanes zero() { return _mm256_setzero_ps(); }
    static Lanes fma(Lanes x, Lanes y, Lanes z) { return _mm256_fmadd_ps(x, y, z); }
};

}  // namespace

void avx2(const float* a, const float* b, const float* bias, std::size_t m, std::size_t n,
          std::size_t k, float* c) {
    product<Vector>(a, b, bias, m, n, k, c);
}

}  // namespace bitgrove::gemm
#pragma GCC pop_options
