#include <immintrin.h>

#include "bitgrove/hamming.hpp"

#pragma GCC push_options
#pragma GCC target("avx2,popcnt")

namespace bitgrove::hamming {
namespace {

// Bits set in each 64-bit lane: two look-ups of a nibble, then a sum of bytes (Mula's method).
inline __m256i popcount_lanes(__m256i v) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                           0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(v, nibble));
    const __m256i high =
        _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
    return _mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256());
}

inline std::int32_t sum_lanes(__m256i v) {
    const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    return static_cast<std::int32_t>(_mm_cvtsi128_si64(half) + _mm_extract_epi64(half, 1));
}

}  // namespace

void avx2(const std::uint64_t* a, std::size_t na, const std::uint64_t* b, std::size_t nb,
          std::size_t words, std::int32_t* out) {
    // Below eight words the scalar POPCNT instruction beats setting up the vector.
    const std::size_t body = words >= 8 ? words / 4 * 4 : 0;
    for (std::size_t i = 0; i < na; ++i) {
        const std::uint64_t* row = a + i * words;
        for (std::size_t j = 0; j < nb; ++j) {
            const std::uint64_t* col = b + j * words;
            __m256i sum = _mm256_setzero_si256();
            for (std::size_t w = 0; w < body; w += 4) {
                const __m256i x =
                    _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + w)),
                                     _mm256_loadu_si256(reinterpret_cast<const __m256i*>(col + w)));
                sum = _mm256_add_epi64(sum, popcount_lanes(x));
            }
            std::int32_t count = body ? sum_lanes(sum) : 0;
            for (std::size_t w = body; w < words; ++w) {
                count += static_cast<std::int32_t>(_mm_popcnt_u64(row[w] ^ col[w]));
            }
            out[i * nb + j] = count;
        }
    }
}

}  // namespace bitgrove::hamming
#pragma GCC pop_options
