#include <immintrin.h>

#include "bitgrove/distance_rows.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,popcnt")

// The maskz forms with a full mask are the plain instructions; the plain forms make gcc 12 warn
// about variables of its own headers.

namespace bitgrove::distance_rows {
namespace {

inline __mmask64 first(std::size_t n) {
    return n >= 64 ? ~0ull : (1ull << n) - 1ull;
}

// Adds 64 squared differences to 32-bit lanes that may wrap: only the total must fit.
inline __m512i add_squares(__m512i sum, __m512i x, __m512i y) {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i d = _mm512_or_si512(_mm512_subs_epu8(x, y), _mm512_subs_epu8(y, x));
    const __m512i low = _mm512_unpacklo_epi8(d, zero), high = _mm512_unpackhi_epi8(d, zero);
    return _mm512_add_epi32(
        sum, _mm512_add_epi32(_mm512_madd_epi16(low, low), _mm512_madd_epi16(high, high)));
}

inline __m512i add_differing_bits(__m512i sum, __m512i x, __m512i y) {
    return _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(x, y)));
}

inline __m128i sum_quarters(__m512i v) {
    const __m256i half = _mm256_add_epi32(_mm512_maskz_extracti64x4_epi64(0xf, v, 0),
                                          _mm512_maskz_extracti64x4_epi64(0xf, v, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// The totals of four vectors of lanes, modulo 2^32, side by side.
inline __m128i totals(__m512i a, __m512i b, __m512i c, __m512i d) {
    const __m512i ab = _mm512_add_epi32(_mm512_maskz_unpacklo_epi32(0xffff, a, b),
                                        _mm512_maskz_unpackhi_epi32(0xffff, a, b));
    const __m512i cd = _mm512_add_epi32(_mm512_maskz_unpacklo_epi32(0xffff, c, d),
                                        _mm512_maskz_unpackhi_epi32(0xffff, c, d));
    return sum_quarters(_mm512_add_epi32(_mm512_maskz_unpacklo_epi64(0xff, ab, cd),
                                         _mm512_maskz_unpackhi_epi64(0xff, ab, cd)));
}

// Four rows at a time; those past the end repeat the last one.
template <__m512i (*ADD)(__m512i, __m512i, __m512i)>
inline void four_by_four(const std::uint8_t* point, const std::uint8_t* table, std::size_t stride,
                         const std::uint32_t* rows, std::size_t count, std::size_t bytes,
                         std::uint32_t* out) {
    for (std::size_t j = 0; j < count; j += 4) {
        const std::size_t last = count - 1 - j;
        const std::uint8_t* a = table + rows[j] * stride;
        const std::uint8_t* b = table + rows[j + (last < 1 ? last : 1)] * stride;
        const std::uint8_t* c = table + rows[j + (last < 2 ? last : 2)] * stride;
        const std::uint8_t* d = table + rows[j + (last < 3 ? last : 3)] * stride;
        __m512i sa = _mm512_setzero_si512(), sb = sa, sc = sa, sd = sa;
        for (std::size_t i = 0; i < bytes; i += 64) {
            const __mmask64 mask = first(bytes - i);
            const __m512i x = _mm512_maskz_loadu_epi8(mask, point + i);
            sa = ADD(sa, x, _mm512_maskz_loadu_epi8(mask, a + i));
            sb = ADD(sb, x, _mm512_maskz_loadu_epi8(mask, b + i));
            sc = ADD(sc, x, _mm512_maskz_loadu_epi8(mask, c + i));
            sd = ADD(sd, x, _mm512_maskz_loadu_epi8(mask, d + i));
        }
        const auto kept = static_cast<__mmask8>(last < 3 ? (2u << last) - 1u : 15u);
        _mm_mask_storeu_epi32(out + j, kept, totals(sa, sb, sc, sd));
    }
}

void l2_u8(const std::uint8_t* point, const std::uint8_t* table, std::size_t stride,
           const std::uint32_t* rows, std::size_t count, std::size_t bytes, std::uint32_t* out) {
    four_by_four<add_squares>(point, table, stride, rows, count, bytes, out);
}

void hamming(const std::uint8_t* point, const std::uint8_t* table, std::size_t stride,
             const std::uint32_t* rows, std::size_t count, std::size_t bytes, std::uint32_t* out) {
    four_by_four<add_differing_bits>(point, table, stride, rows, count, bytes, out);
}

}  // namespace

const DistanceRowsKernels avx512{.l2_u8 = l2_u8, .hamming = hamming};

}  // namespace bitgrove::distance_rows
#pragma GCC pop_options
