#include <immintrin.h>

#include "bitgrove/distance.hpp"
#include "bitgrove/distance_rows.hpp"

#pragma GCC push_options
#pragma GCC target("avx2,popcnt")

namespace bitgrove::distance_rows {
namespace {

inline __m256i load32(const std::uint8_t* x) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
}

// Sums of 32 squared differences, in 32-bit lanes that may wrap: only the total must fit.
inline __m256i squares(__m256i x, __m256i y) {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i d = _mm256_or_si256(_mm256_subs_epu8(x, y), _mm256_subs_epu8(y, x));
    const __m256i low = _mm256_unpacklo_epi8(d, zero), high = _mm256_unpackhi_epi8(d, zero);
    return _mm256_add_epi32(_mm256_madd_epi16(low, low), _mm256_madd_epi16(high, high));
}

// The totals of four vectors of lanes, side by side.
inline __m128i totals(__m256i a, __m256i b, __m256i c, __m256i d) {
    const __m256i four = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    return _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
}

void l2_u8(const std::uint8_t* point, const std::uint8_t* table, std::size_t stride,
           const std::uint32_t* rows, std::size_t count, std::size_t bytes, std::uint32_t* out) {
    const std::size_t body = bytes / 32 * 32;
    alignas(32) std::uint8_t point_tail[32] = {}, row_tail[4][32] = {};
    __builtin_memcpy(point_tail, point + body, bytes - body);
    std::size_t j = 0;
    for (; j + 4 <= count; j += 4) {
        const std::uint8_t* row[4];
        __m256i sum[4];
        for (int r = 0; r < 4; ++r) {
            row[r] = table + rows[j + r] * stride;
            sum[r] = _mm256_setzero_si256();
        }
        for (std::size_t i = 0; i < body; i += 32) {
            const __m256i x = load32(point + i);
            for (int r = 0; r < 4; ++r) {
                sum[r] = _mm256_add_epi32(sum[r], squares(x, load32(row[r] + i)));
            }
        }
        if (body < bytes) {
            const __m256i x = load32(point_tail);
            for (int r = 0; r < 4; ++r) {
                __builtin_memcpy(row_tail[r], row[r] + body, bytes - body);
                sum[r] = _mm256_add_epi32(sum[r], squares(x, load32(row_tail[r])));
            }
        }
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + j),
                         totals(sum[0], sum[1], sum[2], sum[3]));
    }
    for (; j < count; ++j) {
        out[j] = distance::avx2.l2_u8(point, table + rows[j] * stride, bytes);
    }
}

void hamming(const std::uint8_t* point, const std::uint8_t* table, std::size_t stride,
             const std::uint32_t* rows, std::size_t count, std::size_t bytes, std::uint32_t* out) {
    for (std::size_t j = 0; j < count; ++j) {
        out[j] = distance::avx2.hamming(point, table + rows[j] * stride, bytes);
    }
}

}  // namespace

const DistanceRowsKernels avx2{.l2_u8 = l2_u8, .hamming = hamming};

}  // namespace bitgrove::distance_rows
#pragma GCC pop_options
