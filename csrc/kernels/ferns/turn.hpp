// Turning rows into columns, for x86: sixteen bytes by sixteen, four floats by four.
//
// Included after the target region has begun; everything is in an anonymous namespace.
#pragma once
#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "bitgrove/ferns.hpp"

namespace bitgrove::ferns {
namespace {

void turn(const std::uint8_t* rows, std::size_t stride, std::uint8_t* out) {
    __m128i a[16], b[16];
    for (std::size_t i = 0; i < 16; ++i) {
        a[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows + i * stride));
    }
    // Four times, rows i and i + 8 become rows 2 i and 2 i + 1.
    const auto shuffle = [](const __m128i* from, __m128i* to) {
        for (std::size_t i = 0; i < 8; ++i) {
            to[2 * i] = _mm_unpacklo_epi8(from[i], from[i + 8]);
            to[2 * i + 1] = _mm_unpackhi_epi8(from[i], from[i + 8]);
        }
    };
    shuffle(a, b);
    shuffle(b, a);
    shuffle(a, b);
    shuffle(b, a);
    for (std::size_t i = 0; i < 16; ++i) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i * kFernRows), a[i]);
    }
}

void turn(const float* rows, std::size_t stride, float* out) {
    for (std::size_t j = 0; j < 16; j += 4) {
        for (std::size_t i = 0; i < 16; i += 4) {
            const float* from = rows + i * stride + j;
            __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + stride),
                   c = _mm_loadu_ps(from + 2 * stride), d = _mm_loadu_ps(from + 3 * stride);
            _MM_TRANSPOSE4_PS(a, b, c, d);
            float* to = out + j * kFernRows + i;
            _mm_storeu_ps(to, a);
            _mm_storeu_ps(to + kFernRows, b);
            _mm_storeu_ps(to + 2 * kFernRows, c);
            _mm_storeu_ps(to + 3 * kFernRows, d);
        }
    }
}

template <typename T>
void columns(const FernColumns<T>& c) {
    for (std::size_t g = 0; g < c.n_groups; ++g) {
        const std::size_t first = std::size_t{c.groups[g]} * kFernGroup;
        const std::size_t wide = std::min(kFernGroup, c.features - first);
        T* out = c.out + g * kFernGroup * kFernRows;
        std::size_t r = 0;
        if (wide == kFernGroup) {
            for (; r + 16 <= c.count; r += 16)
                turn(c.rows + r * c.stride + first, c.stride, out + r);
        }
        for (; r < c.count; ++r) {
            for (std::size_t j = 0; j < wide; ++j) {
                out[j * kFernRows + r] = c.rows[r * c.stride + first + j];
            }
        }
    }
}

}  // namespace
}  // namespace bitgrove::ferns
