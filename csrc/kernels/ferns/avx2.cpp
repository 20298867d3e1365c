#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "bitgrove/ferns.hpp"

#pragma GCC push_options
#pragma GCC target("avx2")

namespace bitgrove::ferns {
namespace {

template <typename T, typename Sum>
struct Sixteen;

template <>
struct Sixteen<float, float> {
    struct Lanes {
        __m256 a, b;
    };
    static Lanes load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
    static void store(float* p, Lanes x) {
        _mm256_storeu_ps(p, x.a);
        _mm256_storeu_ps(p + 8, x.b);
    }
    static Lanes add(Lanes x, Lanes y) {
        return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
    }
};

template <>
struct Sixteen<std::int8_t, std::int32_t> {
    struct Lanes {
        __m256i a, b;
    };
    static __m256i eight(const void* p) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    }
    static Lanes load(const std::int32_t* p) { return {eight(p), eight(p + 8)}; }
    static Lanes load(const std::int8_t* p) {
        const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        return {_mm256_cvtepi8_epi32(x), _mm256_cvtepi8_epi32(_mm_srli_si128(x, 8))};
    }
    static void store(std::int32_t* p, Lanes x) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.a);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), x.b);
    }
    static Lanes add(Lanes x, Lanes y) {
        return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)};
    }
};

}  // namespace
}  // namespace bitgrove::ferns

#include "tables.hpp"
#include "turn.hpp"

namespace bitgrove::ferns {
namespace {

__m256i load(const void* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

void store(void* p, __m256i x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x);
}

// Of questions begin to end - 1, at most eight, a bit for each answer in the byte of each of 32
// lanes. Unsigned bytes have no comparison, but x > y where the larger of both is not y.
template <bool pairs>
__m256i answers(const FernTests<std::uint8_t>& t, std::size_t begin, std::size_t end,
                std::size_t lane) {
    __m256i sum = _mm256_setzero_si256(), bit = _mm256_set1_epi8(1);
    for (std::size_t at = begin; at < end; ++at) {
        const __m256i first = load(t.columns + t.first[at] * kFernRows + lane);
        const __m256i second = pairs ? load(t.columns + t.second[at] * kFernRows + lane)
                                     : _mm256_set1_epi8(static_cast<char>(t.threshold[at]));
        const __m256i no = _mm256_cmpeq_epi8(_mm256_max_epu8(first, second), second);
        sum = _mm256_or_si256(sum, _mm256_andnot_si256(no, bit));
        bit = _mm256_add_epi8(bit, bit);
    }
    return sum;
}

__m256i join(__m128i low, __m128i high) {
    return _mm256_or_si256(_mm256_cvtepu8_epi16(low),
                           _mm256_slli_epi16(_mm256_cvtepu8_epi16(high), 8));
}

template <bool pairs>
void tests_u8(const FernTests<std::uint8_t>& t) {
    for (std::size_t f = 0; f < t.ferns; ++f) {
        const std::size_t begin = f * t.depth, end = begin + t.depth;
        const std::size_t middle = std::min(begin + 8, end);
        for (const std::size_t lane : {0, 32}) {
            const __m256i low = answers<pairs>(t, begin, middle, lane);
            const __m256i high = answers<pairs>(t, middle, end, lane);
            std::uint16_t* out = t.out + f * t.out_stride + lane;
            store(out, join(_mm256_castsi256_si128(low), _mm256_castsi256_si128(high)));
            store(out + 16,
                  join(_mm256_extracti128_si256(low, 1), _mm256_extracti128_si256(high, 1)));
        }
    }
}

template <bool pairs>
void tests_f32(const FernTests<float>& t) {
    for (std::size_t f = 0; f < t.ferns; ++f) {
        std::uint16_t* out = t.out + f * t.out_stride;
        for (std::size_t lane = 0; lane < kFernRows; lane += 32) {
            __m256i sums[4] = {}, bit = _mm256_set1_epi32(1);
            for (std::size_t k = 0; k < t.depth; ++k) {
                const std::size_t at = f * t.depth + k;
                const float* first = t.columns + t.first[at] * kFernRows + lane;
                const float* second = pairs ? t.columns + t.second[at] * kFernRows + lane : nullptr;
                const __m256 threshold =
                    pairs ? _mm256_setzero_ps() : _mm256_set1_ps(t.threshold[at]);
                for (std::size_t i = 0; i < 4; ++i) {
                    const __m256 answers = _mm256_cmp_ps(
                        _mm256_loadu_ps(first + 8 * i),
                        pairs ? _mm256_loadu_ps(second + 8 * i) : threshold, _CMP_GT_OQ);
                    sums[i] = _mm256_or_si256(sums[i],
                                              _mm256_and_si256(_mm256_castps_si256(answers), bit));
                }
                bit = _mm256_add_epi32(bit, bit);
            }
            for (std::size_t i = 0; i < 4; i += 2) {
                const __m256i both = _mm256_packus_epi32(sums[i], sums[i + 1]);
                store(out + lane + 8 * i, _mm256_permute4x64_epi64(both, 0xd8));
            }
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
        for (; r + 8 <= v.rows; r += 8) {
            const __m256i at =
                _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(leaf + r)));
            const __m256 found = _mm256_i32gather_ps(table, at, 4);
            _mm256_storeu_ps(v.out + r, _mm256_add_ps(_mm256_loadu_ps(v.out + r), found));
        }
        add_numbers(v, f, r);
    }
}

void votes_i8(const FernVotes<std::int8_t, std::int32_t>& v) {
    if (v.width > 1) return add_vectors(v);
    for (std::size_t f = 0; f < v.ferns; ++f) add_numbers(v, f, 0);
}

}  // namespace

const FernKernels avx2{columns_u8, columns_f32, any_tests_u8, any_tests_f32, votes_f32, votes_i8};

}  // namespace bitgrove::ferns
#pragma GCC pop_options
