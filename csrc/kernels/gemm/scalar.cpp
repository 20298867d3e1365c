#include "bitgrove/gemm.hpp"

namespace bitgrove::gemm {

void scalar(const float* a, const float* b, const float* bias, std::size_t m, std::size_t n,
            std::size_t k, float* c) {
    for (std::size_t i = 0; i < m; ++i) {
        float* row = c + i * n;
        for (std::size_t j = 0; j < n; ++j) row[j] = bias ? bias[j] : 0.0f;
        for (std::size_t p = 0; p < k; ++p) {
            const float x = a[i * k + p];
            for (std::size_t j = 0; j < n; ++j) row[j] += x * b[p * n + j];
        }
    }
}

}  // namespace bitgrove::gemm
