#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "bitgrove/binary_dots.hpp"

#pragma GCC push_options
#pragma GCC target("avx2,fma")

#include "lookup.hpp"

namespace bitgrove::binary_dots {
namespace {

struct Vector {
    using Bytes = unsigned char __attribute__((vector_size(32)));
    using Shorts = unsigned short __attribute__((vector_size(32)));
    static constexpr std::size_t width = 32;

    static Bytes table(const std::uint8_t* entries) {
        return reinterpret_cast<Bytes>(
            _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(entries))));
    }
    static Bytes pick(Bytes table, Bytes nibbles) {
        return reinterpret_cast<Bytes>(_mm256_shuffle_epi8(reinterpret_cast<__m256i>(table),
                                                           reinterpret_cast<__m256i>(nibbles)));
    }
    static void store(const std::uint16_t* counts, std::size_t outs, float start, bool add,
                      float* to) {
        std::size_t o = 0;
        for (; o + 8 <= outs; o += 8) {
            const __m256i count =
                _mm256_cvtepu16_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(counts + o)));
            const __m256 from = add ? _mm256_loadu_ps(to + o) : _mm256_set1_ps(start);
            _mm256_storeu_ps(to + o,
                             _mm256_fnmadd_ps(_mm256_set1_ps(2), _mm256_cvtepi32_ps(count), from));
        }
        for (; o < outs; ++o) to[o] = (add ? to[o] : start) - 2 * static_cast<float>(counts[o]);
    }
};

}  // namespace

const BinaryDotsKernels avx2 = {Vector::width, Lookup<Vector>::block_bytes, Lookup<Vector>::pack,
                                Lookup<Vector>::run};

}  // namespace bitgrove::binary_dots
#pragma GCC pop_options
