// The matrix product over vectors of any width. Included inside a target region, so that what it
// defines is compiled for that region; `Vector` names the width and its instructions, and keeps the
// instances of different levels apart.
//
//     struct Vector { using Lanes; static constexpr std::size_t width; load, store, set, zero, fma
//     }
//
// No include guard on purpose: the namespace is the including file's own.
#include <cstddef>

namespace bitgrove::gemm {
namespace {

// Rows 0 .. ROWS of c and COLS vectors of columns, kept in registers over the whole of k.
template <typename Vector, std::size_t ROWS, std::size_t COLS>
inline void tile(const float* a, const float* b, const float* bias, std::size_t n, std::size_t k,
                 float* c) {
    typename Vector::Lanes sum[ROWS][COLS];
    for (std::size_t q = 0; q < COLS; ++q) {
        const auto start = bias ? Vector::load(bias + Vector::width * q) : Vector::zero();
        for (std::size_t r = 0; r < ROWS; ++r) sum[r][q] = start;
    }
    for (std::size_t p = 0; p < k; ++p) {
        typename Vector::Lanes right[COLS];
        for (std::size_t q = 0; q < COLS; ++q) {
            right[q] = Vector::load(b + p * n + Vector::width * q);
        }
        for (std::size_t r = 0; r < ROWS; ++r) {
            const auto left = Vector::set(a[r * k + p]);
            for (std::size_t q = 0; q < COLS; ++q) {
                sum[r][q] = Vector::fma(left, right[q], sum[r][q]);
            }
        }
    }
    for (std::size_t r = 0; r < ROWS; ++r) {
        for (std::size_t q = 0; q < COLS; ++q) {
            Vector::store(c + r * n + Vector::width * q, sum[r][q]);
        }
    }
}

template <typename Vector, std::size_t ROWS>
inline void band(const float* a, const float* b, const float* bias, std::size_t n, std::size_t k,
                 float* c) {
    constexpr std::size_t width = Vector::width;
    std::size_t j = 0;
    for (; j + 2 * width <= n; j += 2 * width) {
        tile<Vector, ROWS, 2>(a, b + j, bias ? bias + j : nullptr, n, k, c + j);
    }
    for (; j + width <= n; j += width) {
        tile<Vector, ROWS, 1>(a, b + j, bias ? bias + j : nullptr, n, k, c + j);
    }
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

template <typename Vector>
inline void product(const float* a, const float* b, const float* bias, std::size_t m, std::size_t n,
                    std::size_t k, float* c) {
    std::size_t i = 0;
    for (; i + 4 <= m; i += 4) band<Vector, 4>(a + i * k, b, bias, n, k, c + i * n);
    for (; i < m; ++i) band<Vector, 1>(a + i * k, b, bias, n, k, c + i * n);
}

}  // namespace
}  // namespace bitgrove::gemm
