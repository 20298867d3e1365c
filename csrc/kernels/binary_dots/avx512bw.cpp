#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "bitgrove/binary_dots.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl")

#include "lookup.hpp"

namespace bitgrove::binary_dots {
namespace {

struct Vector {
    using Bytes = unsigned char __attribute__((vector_size(64)));
    using Shorts = unsigned short __attribute__((vector_size(64)));
    static constexpr std::size_t width = 64;

    static Bytes table(const std::uint8_t* entries) {
        return reinterpret_cast<Bytes>(_mm512_maskz_broadcast_i32x4(
            0xffff, _mm_load_si128(reinterpret_cast<const __m128i*>(entries))));
    }
    static Bytes pick(Bytes table, Bytes nibbles) {
        return reinterpret_cast<Bytes>(_mm512_shuffle_epi8(reinterpret_cast<__m512i>(table),
                                                           reinterpret_cast<__m512i>(nibbles)));
    }
    static void store(const std::uint16_t* counts, std::size_t outs, float start, bool add,
                      float* to) {
        for (std::size_t o = 0; o < outs; o += 16) {
            const std::size_t left = outs - o;
            const auto mask = static_cast<__mmask16>(left < 16 ? (1u << left) - 1u : 0xffffu);
            const __m512i count = _mm512_maskz_cvtepu16_epi32(
                0xffff, _mm256_load_si256(reinterpret_cast<const __m256i*>(counts + o)));
            const __m512 from = add ? _mm512_maskz_loadu_ps(mask, to + o) : _mm512_set1_ps(start);
            _mm512_mask_storeu_ps(
                to + o, mask,
                _mm512_fnmadd_ps(_mm512_set1_ps(2), _mm512_maskz_cvtepi32_ps(0xffff, count), from));
        }
    }
};

}  // namespace

const BinaryDotsKernels avx512bw = {Vector::width, Lookup<Vector>::block_bytes,
                                    Lookup<Vector>::pack, Lookup<Vector>::run};

}  // namespace bitgrove::binary_dots
#pragma GCC pop_options
