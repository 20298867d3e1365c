#include <cmath>

#include "bitgrove/sign.hpp"

namespace bitgrove::sign {
namespace {

void signs(const float* x, std::size_t n, float* out) {
    for (std::size_t i = 0; i < n; ++i) out[i] = x[i] >= 0.0f ? 1.0f : -1.0f;
}

void approx(const float* gradient, const float* x, std::size_t n, float* out) {
    for (std::size_t i = 0; i < n; ++i) {
        const float height = 1.0f - std::fabs(x[i]);
        out[i] = gradient[i] * (2.0f * (height < 0.0f ? 0.0f : height));
    }
}

}  // namespace

const SignKernels scalar{.signs = signs, .approx = approx};

}  // namespace bitgrove::sign
