#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "bitgrove/ferns.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2")

namespace bitgrove::ferns {
namespace {

template <typename T, typename Sum>
struct Sixteen;

template <>
struct Sixteen<float, float> {
    using Lanes = __m512;
    static Lanes load(const float* p) { return _mm512_loadu_ps(p); }
    static void store(float* p, Lanes x) { _mm512_storeu_ps(p, x); }
    static Lanes add(Lanes x, Lanes y) { return _mm512_add_ps(x, y); }
};

template <>
struct Sixteen<std::int8_t, std::int32_t> {
    using Lanes = __m512i;
    static Lanes load(const std::int32_t* p) { return _mm512_loadu_si512(p); }
    static Lanes load(const std::int8_t* p) {
        return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    }
    static void store(std::int32_t* p, Lanes x) { _mm512_storeu_si512(p, x); }
    static Lanes add(Lanes x, Lanes y) { return _mm512_add_epi32(x, y); }
};

}  // namespace
}  // namespace bitgrove::ferns

#include "tables.hpp"
#include "turn.hpp"

namespace bitgrove::ferns {
namespace {

// Of questions begin to end - 1, at most eight, a bit for each answer in the byte of each lane.
template <bool pairs>
__m512i answers(const FernTests<std::uint8_t>& t, std::size_t begin, std::size_t end) {
    __m512i sum = _mm512_setzero_si512(), bit = _mm512_set1_epi8(1);
    for (std::size_t at = begin; at < end; ++at) {
        const __m512i first = _mm512_loadu_si512(t.columns + t.first[at] * kFernRows);
        const __m512i second = pairs ? _mm512_loadu_si512(t.columns + t.second[at] * kFernRows)
                                     : _mm512_set1_epi8(static_cast<char>(t.threshold[at]));
        sum = _mm512_mask_add_epi8(sum, _mm512_cmpgt_epu8_mask(first, second), sum, bit);
        bit = _mm512_add_epi8(bit, bit);
    }
    return sum;
}

__m512i join(__m256i low, __m256i high) {
    return _mm512_or_si512(_mm512_cvtepu8_epi16(low),
                           _mm512_slli_epi16(_mm512_cvtepu8_epi16(high), 8));
}

template <bool pairs>
void tests_u8(const FernTests<std::uint8_t>& t) {
    for (std::size_t f = 0; f < t.ferns; ++f) {
        const std::size_t begin = f * t.depth, end = begin + t.depth;
        const std::size_t middle = std::min(begin + 8, end);
        const __m512i low = answers<pairs>(t, begin, middle), high = answers<pairs>(t, middle, end);
        std::uint16_t* out = t.out + f * t.out_stride;
        _mm512_storeu_si512(out, join(_mm512_castsi512_si256(low), _mm512_castsi512_si256(high)));
        _mm512_storeu_si512(
            out + 32, join(_mm512_extracti64x4_epi64(low, 1), _mm512_extracti64x4_epi64(high, 1)));
    }
}

template <bool pairs>
void tests_f32(const FernTests<float>& t) {
    for (std::size_t f = 0; f < t.ferns; ++f) {
        __m512i sums[4] = {}, bit = _mm512_set1_epi32(1);
        for (std::size_t k = 0; k < t.depth; ++k) {
            const std::size_t at = f * t.depth + k;
            const float* first = t.columns + t.first[at] * kFernRows;
            const float* second = pairs ? t.columns + t.second[at] * kFernRows : nullptr;
            const __m512 threshold = pairs ? _mm512_setzero_ps() : _mm512_set1_ps(t.threshold[at]);
            for (std::size_t i = 0; i < 4; ++i) {
                const __mmask16 answers = _mm512_cmp_ps_mask(
                    _mm512_loadu_ps(first + 16 * i),
                    pairs ? _mm512_loadu_ps(second + 16 * i) : threshold, _CMP_GT_OQ);
                sums[i] = _mm512_mask_add_epi32(sums[i], answers, sums[i], bit);
            }
            bit = _mm512_add_epi32(bit, bit);
        }
        for (std::size_t i = 0; i < 4; ++i) {
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(t.out + f * t.out_stride + 16 * i),
                                _mm512_cvtepi32_epi16(sums[i]));
        }
    }
}

void columns_u8(const FernColumns<std::uint8_t>& c) {
    columns(c);
}

void columns_f32(const FernColumns<float>& c) {
    columns(c);
}

void any_tests_u8(const FernTests<std::uint8_t>& t) {
    t.second ? tests_u8<true>(t) : tests_u8<false>(t);
}

void any_tests_f32(const FernTests<float>& t) {
    t.second ? tests_f32<true>(t) : tests_f32<false>(t);
}

void votes_f32(const FernVotes<float, float>& v) {
    if (v.width > 1) return add_vectors(v);
    for (std::size_t f = 0; f < v.ferns; ++f) {
        const float* table = v.table + (f << v.depth);
        const std::uint16_t* leaf = v.leaves + f * v.leaf_stride;
        std::size_t r = 0;
        for (; r + 16 <= v.rows; r += 16) {
            const __m512i at = _mm512_cvtepu16_epi32(
                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(leaf + r)));
            const __m512 found = _mm512_i32gather_ps(at, table, 4);
            _mm512_storeu_ps(v.out + r, _mm512_add_ps(_mm512_loadu_ps(v.out + r), found));
        }
        add_numbers(v, f, r);
    }
}

void votes_i8(const FernVotes<std::int8_t, std::int32_t>& v) {
    if (v.width > 1) return add_vectors(v);
    for (std::size_t f = 0; f < v.ferns; ++f) add_numbers(v, f, 0);
}

}  // namespace

const FernKernels avx512{columns_u8, columns_f32, any_tests_u8, any_tests_f32, votes_f32, votes_i8};

}  // namespace bitgrove::ferns
#pragma GCC pop_options
