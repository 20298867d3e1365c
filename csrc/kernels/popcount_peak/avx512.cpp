#include <immintrin.h>

#include "bitgrove/popcount_peak.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512vpopcntdq")

namespace bitgrove::popcount_peak {

double avx512(std::size_t rounds, std::uint64_t* kept) {
    constexpr int chains = 16;
    __m512i sums[chains];
    for (auto& sum : sums) sum = _mm512_setzero_si512();
    __m512i x = _mm512_set1_epi64(static_cast<long long>(*kept));
    const __m512i y = _mm512_set1_epi64(0x0123456789abcdef);
    for (std::size_t i = 0; i < rounds; ++i) {
        for (auto& sum : sums) {
            asm volatile("" : "+v"(x));
            sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(x, y)));
        }
    }
    __m512i all = sums[0];
    for (int i = 1; i < chains; ++i) all = _mm512_add_epi64(all, sums[i]);
    alignas(64) std::uint64_t lanes[8];
    _mm512_store_si512(lanes, all);
    *kept = lanes[0];
    return static_cast<double>(rounds) * chains * 512;
}

}  // namespace bitgrove::popcount_peak
#pragma GCC pop_options
