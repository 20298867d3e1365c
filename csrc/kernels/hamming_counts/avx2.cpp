#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#pragma GCC push_options
#pragma GCC target("avx2")

namespace bitgrove::hamming_counts {
namespace {

struct Words {
    using Lanes = __m256i;
    static constexpr std::size_t width = 4;

    static Lanes load(const std::uint64_t* p) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    }
    static void store(std::uint64_t* p, Lanes x) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x);
    }
    static Lanes set(std::uint64_t x) { return _mm256_set1_epi64x(static_cast<long long>(x)); }
    static Lanes both(Lanes x, Lanes y) { return _mm256_and_si256(x, y); }
    static Lanes differ(Lanes x, Lanes y) { return _mm256_xor_si256(x, y); }
    static Lanes without(Lanes x, Lanes y) { return _mm256_andnot_si256(y, x); }
    static Lanes odd(Lanes x, Lanes y, Lanes z) { return differ(differ(x, y), z); }
    static Lanes two(Lanes x, Lanes y, Lanes z) {
        return _mm256_or_si256(both(x, y), both(differ(x, y), z));
    }
    static bool any(Lanes x) { return !_mm256_testz_si256(x, x); }
    // Two look-ups of a nibble (Mula's method), then a sum of bytes.
    static Lanes count(Lanes x) {
        const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                               0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
        const __m256i nibble = _mm256_set1_epi8(0x0f);
        const __m256i bytes = _mm256_add_epi8(
            _mm256_shuffle_epi8(table, _mm256_and_si256(x, nibble)),
            _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble)));
        return _mm256_sad_epu8(bytes, _mm256_setzero_si256());
    }
    static Lanes plus(Lanes x, Lanes y) { return _mm256_add_epi64(x, y); }
    static std::uint64_t total(Lanes x) {
        const __m128i half =
            _mm_add_epi64(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
        return static_cast<std::uint64_t>(_mm_cvtsi128_si64(half) + _mm_extract_epi64(half, 1));
    }
};

}  // namespace
}  // namespace bitgrove::hamming_counts

#include "slices.hpp"

namespace bitgrove::hamming_counts {

void avx2(const HammingCounts& c) {
    count(c);
}

}  // namespace bitgrove::hamming_counts
#pragma GCC pop_options
