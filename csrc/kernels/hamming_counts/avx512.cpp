#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vpopcntdq")

namespace bitgrove::hamming_counts {
namespace {

struct Words {
    using Lanes = __m512i;
    static constexpr std::size_t width = 8;

    static Lanes load(const std::uint64_t* p) { return _mm512_loadu_si512(p); }
    static void store(std::uint64_t* p, Lanes x) { _mm512_storeu_si512(p, x); }
    static Lanes set(std::uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
    static Lanes both(Lanes x, Lanes y) { return _mm512_and_si512(x, y); }
    static Lanes differ(Lanes x, Lanes y) { return _mm512_xor_si512(x, y); }
    static Lanes without(Lanes x, Lanes y) { return _mm512_maskz_andnot_epi64(0xff, y, x); }
    static Lanes odd(Lanes x, Lanes y, Lanes z) { return _mm512_ternarylogic_epi64(x, y, z, 0x96); }
    static Lanes two(Lanes x, Lanes y, Lanes z) { return _mm512_ternarylogic_epi64(x, y, z, 0xe8); }
    static bool any(Lanes x) { return _mm512_test_epi64_mask(x, x) != 0; }
    static Lanes count(Lanes x) { return _mm512_popcnt_epi64(x); }
    static Lanes plus(Lanes x, Lanes y) { return _mm512_add_epi64(x, y); }
    static std::uint64_t total(Lanes x) {
        return static_cast<std::uint64_t>(_mm512_reduce_add_epi64(x));
    }
};

}  // namespace
}  // namespace bitgrove::hamming_counts

#include "slices.hpp"

namespace bitgrove::hamming_counts {

void avx512(const HammingCounts& c) {
    count(c);
}

}  // namespace bitgrove::hamming_counts
#pragma GCC pop_options
