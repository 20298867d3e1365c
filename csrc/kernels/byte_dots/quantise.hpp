// Real numbers to bytes, `quantise_width` at a time. Included inside a target region, after that
// constant.
//
// No include guard on purpose: the namespace is the including file's own.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bitgrove/byte_dots.hpp"

namespace bitgrove::byte_dots {
namespace {

using Reals = float __attribute__((vector_size(quantise_width * sizeof(float))));
using Integers = std::int32_t __attribute__((vector_size(quantise_width * sizeof(float))));
using Bytes = std::uint8_t __attribute__((vector_size(quantise_width)));

inline void quantise_some(const float* x, float step, int zero, std::uint8_t* out) {
    const Reals low = Reals{} - static_cast<float>(zero), high = low + 255.0f;
    Reals scaled;
    std::memcpy(&scaled, x, sizeof scaled);
    scaled = scaled / step;
    // NaN fails the comparison, and so becomes the lowest byte.
    scaled = scaled > low ? scaled : low;
    scaled = scaled < high ? scaled : high;
    // Of a number this small, adding and taking away 1.5 * 2^23 leaves the nearest integer.
    const Reals nearest = (scaled + 12582912.0f) - 12582912.0f;
    const Bytes bytes =
        __builtin_convertvector(__builtin_convertvector(nearest, Integers) + zero, Bytes);
    std::memcpy(out, &bytes, sizeof bytes);
}

void quantise(const float* x, std::size_t n, float step, int zero, std::uint8_t* out) {
    std::size_t i = 0;
    for (; i + quantise_width <= n; i += quantise_width) quantise_some(x + i, step, zero, out + i);
    if (i == n) return;
    float rest[quantise_width] = {};
    std::uint8_t bytes[quantise_width];
    std::memcpy(rest, x + i, (n - i) * sizeof(float));
    quantise_some(rest, step, zero, bytes);
    std::memcpy(out + i, bytes, n - i);
}

}  // namespace
}  // namespace bitgrove::byte_dots
