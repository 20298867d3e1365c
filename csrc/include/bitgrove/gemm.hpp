// Real matrix product for the parts of a network that stay real (stem, shortcuts, head).
//
//     c[i*n + j] = bias[j] + sum over p of a[i*k + p] * b[p*n + j]
//
// a: m*k, b: k*n, c: m*n, all row-major float32; a null `bias` stands for zeros. The sum runs over
// p in order, one accumulator per output, with a fused multiply-add where the level has one: levels
// may differ by float rounding.
#pragma once
#include <cstddef>

namespace bitgrove {

using GemmFn = void (*)(const float* a, const float* b, const float* bias, std::size_t m,
                        std::size_t n, std::size_t k, float* c);

namespace gemm {
void scalar(const float*, const float*, const float*, std::size_t, std::size_t, std::size_t,
            float*);
void avx2(const float*, const float*, const float*, std::size_t, std::size_t, std::size_t, float*);
void avx512(const float*, const float*, const float*, std::size_t, std::size_t, std::size_t,
            float*);
}  // namespace gemm
}  // namespace bitgrove
