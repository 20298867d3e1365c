#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "bitgrove/byte_dots.hpp"

#pragma GCC push_options
#pragma GCC target("avx2,fma")

namespace bitgrove::byte_dots {
namespace {
constexpr std::size_t quantise_width = 8;
}
}  // namespace bitgrove::byte_dots

#include "quantise.hpp"
#include "tiles.hpp"

namespace bitgrove::byte_dots {
namespace {

// Pairs of 16 bits, since sums of two products of bytes do not fit in them.
struct Vector {
    using Weight = std::int16_t;
    using Input = std::int16_t;
    using Lanes = int __attribute__((vector_size(32)));
    static constexpr std::size_t width = 8;
    static constexpr std::size_t most_pixels = 4;
    static constexpr std::size_t most_vectors = 2;

    static __m256i first(std::size_t n) {
        return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                                  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    }
    static Lanes load(const void* p) {
        return reinterpret_cast<Lanes>(_mm256_load_si256(static_cast<const __m256i*>(p)));
    }
    static Lanes everywhere(const std::int16_t* input) {
        int group;
        std::memcpy(&group, input, sizeof group);
        return reinterpret_cast<Lanes>(_mm256_set1_epi32(group));
    }
    static Lanes dot(Lanes sum, Lanes patch, Lanes filters) {
        return sum + reinterpret_cast<Lanes>(_mm256_madd_epi16(reinterpret_cast<__m256i>(patch),
                                                               reinterpret_cast<__m256i>(filters)));
    }
    static Lanes resume(std::size_t n, const void* sums) {
        return reinterpret_cast<Lanes>(
            _mm256_maskload_ps(static_cast<const float*>(sums), first(n)));
    }
    static void keep(std::size_t n, Lanes sum, float* to) {
        _mm256_maskstore_ps(to, first(n), reinterpret_cast<__m256>(sum));
    }
    static __m256 reals(std::size_t n, const float* p) { return _mm256_maskload_ps(p, first(n)); }
    static void finish(std::size_t n, Lanes sum, __m256 scale, __m256 bias, float* to) {
        const __m256 real = _mm256_cvtepi32_ps(reinterpret_cast<__m256i>(sum));
        const __m256 value = _mm256_add_ps(_mm256_mul_ps(scale, real), bias);
        if (n == width) {
            _mm256_storeu_ps(to, value);
        } else {
            _mm256_maskstore_ps(to, first(n), value);
        }
    }
    static void widen(const std::uint8_t* from, std::int16_t* to) {
        int bytes;
        std::memcpy(&bytes, from, sizeof bytes);
        _mm_storel_epi64(reinterpret_cast<__m128i*>(to),
                         _mm_cvtepu8_epi16(_mm_cvtsi32_si128(bytes)));
    }
};

}  // namespace

const ByteDotsKernels avx2 = {Vector::width, Tiles<Vector>::block_bytes, Tiles<Vector>::pack,
                              Tiles<Vector>::run, quantise};

}  // namespace bitgrove::byte_dots
#pragma GCC pop_options
