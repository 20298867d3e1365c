#include <immintrin.h>

#include "bitgrove/popcount_peak.hpp"

#pragma GCC push_options
#pragma GCC target("avx2")

namespace bitgrove::popcount_peak {

// Without an instruction that counts: a table of sixteen counts, asked for each half of a byte.
double avx2(std::size_t rounds, std::uint64_t* kept) {
    constexpr int chains = 4;
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                           2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(0x0f);
    __m256i sums[chains];
    for (auto& sum : sums) sum = _mm256_setzero_si256();
    __m256i x = _mm256_set1_epi64x(static_cast<long long>(*kept));
    const __m256i y = _mm256_set1_epi64x(0x0123456789abcdef);
    for (std::size_t i = 0; i < rounds; ++i) {
        for (auto& sum : sums) {
            asm volatile("" : "+x"(x));
            const __m256i bits = _mm256_xor_si256(x, y);
            const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bits, 4), low);
            sum = _mm256_add_epi8(sum, _mm256_shuffle_epi8(table, _mm256_and_si256(bits, low)));
            sum = _mm256_add_epi8(sum, _mm256_shuffle_epi8(table, high));
        }
    }
    __m256i all = sums[0];
    for (int i = 1; i < chains; ++i) all = _mm256_add_epi8(all, sums[i]);
    alignas(32) std::uint64_t lanes[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), all);
    *kept = lanes[0];
    return static_cast<double>(rounds) * chains * 256;
}

}  // namespace bitgrove::popcount_peak
#pragma GCC pop_options
