// The sign of real numbers, and a gradient that is taken in place of its zero one.
//
//     signs:   out[i] = +1 where x[i] >= 0 (-0.0 too), else -1 (NaN too)
//     approx:  out[i] = gradient[i] * (2 * max(1 - |x[i]|, 0)), NaN where x[i] is
//
// Each operation is rounded to float by itself, so that every level gives the same bits. `out` may
// be an input itself; it must not overlap one in another way. Nothing past `n` is read or written.
#pragma once
#include <cstddef>

namespace bitgrove {

struct SignKernels {
    void (*signs)(const float* x, std::size_t n, float* out);
    void (*approx)(const float* gradient, const float* x, std::size_t n, float* out);
};

namespace sign {
extern const SignKernels scalar, avx2, avx512;
}  // namespace sign
}  // namespace bitgrove
