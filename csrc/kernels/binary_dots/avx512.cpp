// How many bits of a patch and a filter differ, in five instructions for two words of 32 bits where
// XOR, count and add would be six.
//
// A full adder takes two words of differing bits and the sum bits left over from before, leaves new
// sum bits, and gives carries, which count two each. With three-input logic the sum bits cost no
// XOR of their own: where `odd` is the sum with the first word and `now` that with both,
//
//     odd = before ^ patch[0] ^ filter[0]        now = odd ^ patch[1] ^ filter[1]
//     carry = odd ? not now : before             count += popcount(carry)
//
// and in the end 2 * count + popcount(now) bits differ.
#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "bitgrove/binary_dots.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,popcnt")

#include "../parts.hpp"

namespace bitgrove::binary_dots {
namespace {

// Filters: [block of 16][word][lower | upper halves of 16 filters].
constexpr std::size_t kBlock = 16;

std::size_t block_bytes(std::size_t words) {
    return words * kBlock * sizeof(std::uint64_t);
}

void pack(const std::uint64_t* rows, std::size_t outs, std::size_t words, void* to) {
    auto* half = static_cast<std::uint32_t*>(to);
    for (std::size_t o = 0; o < outs; o += kBlock) {
        for (std::size_t k = 0; k < words; ++k, half += 2 * kBlock) {
            for (std::size_t i = 0; i < kBlock; ++i) {
                const std::uint64_t word = o + i < outs ? rows[(o + i) * words + k] : 0;
                half[i] = static_cast<std::uint32_t>(word);
                half[kBlock + i] = static_cast<std::uint32_t>(word >> 32);
            }
        }
    }
}

// The type of all that is carried around a loop: where it is __m512i there and another type inside
// the intrinsics, GCC copies every register twice.
using Lanes = int __attribute__((vector_size(64)));

inline Lanes load(const std::uint32_t* half) {
    return reinterpret_cast<Lanes>(_mm512_load_si512(half));
}

inline Lanes everywhere(const std::uint64_t* word, std::size_t half) {
    int bits;
    std::memcpy(&bits, reinterpret_cast<const char*>(word) + half * sizeof bits, sizeof bits);
    return reinterpret_cast<Lanes>(_mm512_set1_epi32(bits));
}

template <int TABLE>
inline Lanes logic(Lanes a, Lanes b, Lanes c) {
    return reinterpret_cast<Lanes>(_mm512_ternarylogic_epi32(reinterpret_cast<__m512i>(a),
                                                             reinterpret_cast<__m512i>(b),
                                                             reinterpret_cast<__m512i>(c), TABLE));
}

inline Lanes count(Lanes a) {
    return reinterpret_cast<Lanes>(_mm512_popcnt_epi32(reinterpret_cast<__m512i>(a)));
}

constexpr int kXor = 0x96;
constexpr int kCarry = 0x74;  // b ? not c : a

struct Level {
    static constexpr std::size_t most_pixels = 8;
    using Element = std::uint64_t;
    static constexpr std::size_t step = 1;
    static constexpr std::size_t span = 256;

    template <std::size_t PIXELS>
    static void part(const BinaryDots& d, const Part<std::uint64_t>& part) {
        const std::uint64_t* x[PIXELS];
        for (std::size_t p = 0; p < PIXELS; ++p) {
            x[p] = part.x + static_cast<std::ptrdiff_t>(p) * d.pixel_stride;
            asm("" : "+r"(x[p]));  // else they are worked out anew for every word
        }
        const auto* weight = static_cast<const std::uint32_t*>(d.weight) + 2 * kBlock * part.from;
        const std::size_t skip = 2 * kBlock * (d.words - part.steps);
        const std::ptrdiff_t* const end = part.offsets + part.steps;
        const __m512 length = _mm512_set1_ps(static_cast<float>(d.length));
        const __m512 two = _mm512_set1_ps(2);
        const std::size_t outs = d.outs, stride = d.out_stride;
        for (std::size_t o = 0; o < outs; o += kBlock, weight += skip) {
            Lanes sum[PIXELS], carries[PIXELS];
#pragma GCC unroll 8
            for (std::size_t p = 0; p < PIXELS; ++p) sum[p] = carries[p] = Lanes{};
            const std::ptrdiff_t* k = part.offsets;
            do {
                const Lanes lower = load(weight), upper = load(weight + kBlock);
                weight += 2 * kBlock;
#pragma GCC unroll 8
                for (std::size_t p = 0; p < PIXELS; ++p) {
                    const std::uint64_t* word = x[p] + *k;
                    const Lanes odd = logic<kXor>(everywhere(word, 0), lower, sum[p]);
                    const Lanes now = logic<kXor>(everywhere(word, 1), upper, odd);
                    carries[p] += count(logic<kCarry>(sum[p], odd, now));
                    sum[p] = now;
                }
            } while (++k != end);
            const std::size_t left = outs - o;
            const auto mask = static_cast<__mmask16>(left < kBlock ? (1u << left) - 1u : 0xffffu);
            float* to = part.out + o;
#pragma GCC unroll 8
            for (std::size_t p = 0; p < PIXELS; ++p, to += stride) {
                const Lanes bits = carries[p] + carries[p] + count(sum[p]);
                const __m512 from = part.from == 0 ? length : _mm512_maskz_loadu_ps(mask, to);
                const __m512 counted =
                    _mm512_maskz_cvtepi32_ps(0xffff, reinterpret_cast<__m512i>(bits));
                _mm512_mask_storeu_ps(to, mask, _mm512_fnmadd_ps(two, counted, from));
            }
        }
    }
};

void run(const BinaryDots& d) {
    walk<Level>(d, d.words);
}

}  // namespace

const BinaryDotsKernels avx512 = {kBlock, block_bytes, pack, run};

}  // namespace bitgrove::binary_dots
#pragma GCC pop_options
