#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "bitgrove/byte_dots.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")

namespace bitgrove::byte_dots {
namespace {
constexpr std::size_t quantise_width = 16;
}
}  // namespace bitgrove::byte_dots

#include "quantise.hpp"
#include "tiles.hpp"

namespace bitgrove::byte_dots {
namespace {

struct Vector {
    using Weight = std::int8_t;
    using Input = std::uint8_t;
    using Lanes = int __attribute__((vector_size(64)));
    static constexpr std::size_t width = 16;
    static constexpr std::size_t most_pixels = 6;
    static constexpr std::size_t most_vectors = 4;

    static __mmask16 first(std::size_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
    static Lanes load(const void* p) { return reinterpret_cast<Lanes>(_mm512_load_si512(p)); }
    static Lanes everywhere(const std::uint8_t* input) {
        int group;
        std::memcpy(&group, input, sizeof group);
        return reinterpret_cast<Lanes>(_mm512_set1_epi32(group));
    }
    static Lanes dot(Lanes sum, Lanes patch, Lanes filters) {
        return reinterpret_cast<Lanes>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sum),
                                                           reinterpret_cast<__m512i>(patch),
                                                           reinterpret_cast<__m512i>(filters)));
    }
    static Lanes resume(std::size_t n, const void* sums) {
        return reinterpret_cast<Lanes>(_mm512_maskz_loadu_epi32(first(n), sums));
    }
    static void keep(std::size_t n, Lanes sum, float* to) {
        _mm512_mask_storeu_epi32(to, first(n), reinterpret_cast<__m512i>(sum));
    }
    static __m512 reals(std::size_t n, const float* p) {
        return _mm512_maskz_loadu_ps(first(n), p);
    }
    static void finish(std::size_t n, Lanes sum, __m512 scale, __m512 bias, float* to) {
        const __m512 real = _mm512_maskz_cvtepi32_ps(0xffff, reinterpret_cast<__m512i>(sum));
        _mm512_mask_storeu_ps(to, first(n), _mm512_add_ps(_mm512_mul_ps(scale, real), bias));
    }
};

}  // namespace

const ByteDotsKernels avx512 = {Vector::width, Tiles<Vector>::block_bytes, Tiles<Vector>::pack,
                                Tiles<Vector>::run, quantise};

}  // namespace bitgrove::byte_dots
#pragma GCC pop_options
