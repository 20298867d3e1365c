#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#pragma GCC push_options
#pragma GCC target("avx2")

namespace bitgrove::hamming_scan {
namespace {

struct Words {
    using Lanes = __m256i;
    static constexpr std::size_t width = 4, registers = 4;

    static Lanes load(const std::uint64_t* p) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    }
    static Lanes load(const std::uint8_t* p) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    }
    static void store(std::uint64_t* p, Lanes x) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x);
    }
    static Lanes set(std::uint64_t x) { return _mm256_set1_epi64x(static_cast<long long>(x)); }
    static Lanes limit(std::uint32_t x) { return set(x); }
    // Counts of the bytes: two look-ups of a nibble (Mula's method), at most 8 a word.
    static Lanes count(Lanes x, Lanes y) {
        const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                               0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
        const __m256i nibble = _mm256_set1_epi8(0x0f), v = _mm256_xor_si256(x, y);
        return _mm256_add_epi8(
            _mm256_shuffle_epi8(table, _mm256_and_si256(v, nibble)),
            _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble)));
    }
    static Lanes add(Lanes x, Lanes y) { return _mm256_add_epi8(x, y); }
    static Lanes total(Lanes x) { return _mm256_sad_epu8(x, _mm256_setzero_si256()); }
    static Lanes plus(Lanes x, Lanes y) { return _mm256_add_epi64(x, y); }
    // Totals and limits are below 2^32, so the lower halves of the lanes say all.
    static Lanes least(Lanes x, Lanes y) { return _mm256_min_epu32(x, y); }
    static bool any(Lanes x, Lanes limit) {
        const __m256i near = _mm256_cmpeq_epi64(_mm256_min_epu32(x, limit), x);
        return !_mm256_testz_si256(near, near);
    }

    template <std::size_t W>
    static void turn(const std::uint8_t* rows, Lanes (&out)[W]) {
        if constexpr (W == 1) out[0] = load(rows);
        if constexpr (W == 2) {
            const Lanes a = load(rows), b = load(rows + 32);
            out[0] = _mm256_unpacklo_epi64(a, b);
            out[1] = _mm256_unpackhi_epi64(a, b);
        }
        if constexpr (W == 4) {
            const Lanes a = load(rows), b = load(rows + 32), c = load(rows + 64),
                        d = load(rows + 96);
            const Lanes ab = _mm256_unpacklo_epi64(a, b), cd = _mm256_unpacklo_epi64(c, d);
            const Lanes ab1 = _mm256_unpackhi_epi64(a, b), cd1 = _mm256_unpackhi_epi64(c, d);
            out[0] = _mm256_permute2x128_si256(ab, cd, 0x20);
            out[1] = _mm256_permute2x128_si256(ab1, cd1, 0x20);
            out[2] = _mm256_permute2x128_si256(ab, cd, 0x31);
            out[3] = _mm256_permute2x128_si256(ab1, cd1, 0x31);
        }
    }

    template <std::size_t W>
    static constexpr std::size_t order[4] = {0, 1, 2, 3};
};

template <>
constexpr std::size_t Words::order<2>[4] = {0, 2, 1, 3};

}  // namespace
}  // namespace bitgrove::hamming_scan

#include "rows.hpp"

namespace bitgrove::hamming_scan {

void avx2(const HammingScan& s) {
    scan(s);
}

}  // namespace bitgrove::hamming_scan
#pragma GCC pop_options
