#include <bit>

#include "bitgrove/distance.hpp"
#include "bitgrove/half.hpp"

namespace bitgrove::distance {
namespace {

constexpr std::size_t kLanes = 32;

float fold(float* sums) {
    for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
        for (std::size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
    }
    return sums[0];
}

float widen(float x) {
    return x;
}
float widen(std::uint16_t x) {
    return half_to_float(x);
}

template <typename T>
float l2(const T* a, const T* b, std::size_t dim) {
    float sums[kLanes] = {};
    for (std::size_t i = 0; i < dim; ++i) {
        const float d = widen(a[i]) - widen(b[i]);
        sums[i % kLanes] += d * d;
    }
    return fold(sums);
}

template <typename T>
float ip(const T* a, const T* b, std::size_t dim) {
    float sums[kLanes] = {};
    for (std::size_t i = 0; i < dim; ++i) sums[i % kLanes] += widen(a[i]) * widen(b[i]);
    return fold(sums);
}

std::uint32_t l2_u8(const std::uint8_t* a, const std::uint8_t* b, std::size_t dim) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < dim; ++i) {
        const int d = a[i] - b[i];
        sum += static_cast<std::uint32_t>(d * d);
    }
    return sum;
}

std::uint32_t ip_u8(const std::uint8_t* a, const std::uint8_t* b, std::size_t dim) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < dim; ++i) sum += static_cast<std::uint32_t>(a[i]) * b[i];
    return sum;
}

std::uint32_t hamming(const std::uint8_t* a, const std::uint8_t* b, std::size_t bytes) {
    std::uint32_t count = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
        count += static_cast<std::uint32_t>(std::popcount(static_cast<std::uint8_t>(a[i] ^ b[i])));
    }
    return count;
}

}  // namespace

const DistanceKernels scalar{.l2_f32 = l2<float>,
                             .ip_f32 = ip<float>,
                             .l2_f16 = l2<std::uint16_t>,
                             .ip_f16 = ip<std::uint16_t>,
                             .l2_u8 = l2_u8,
                             .ip_u8 = ip_u8,
                             .hamming = hamming};

}  // namespace bitgrove::distance
