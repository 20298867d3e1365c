#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vpopcntdq")

namespace bitgrove::hamming_scan {
namespace {

struct Words {
    using Lanes = __m512i;
    static constexpr std::size_t width = 8, registers = 16;

    static Lanes load(const std::uint64_t* p) { return _mm512_loadu_si512(p); }
    static void store(std::uint64_t* p, Lanes x) { _mm512_storeu_si512(p, x); }
    static Lanes set(std::uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
    static Lanes limit(std::uint32_t x) { return set(x); }
    static Lanes count(Lanes x, Lanes y) { return _mm512_popcnt_epi64(_mm512_xor_si512(x, y)); }
    static Lanes add(Lanes x, Lanes y) { return _mm512_add_epi64(x, y); }
    static Lanes total(Lanes x) { return x; }
    static Lanes plus(Lanes x, Lanes y) { return add(x, y); }
    static Lanes least(Lanes x, Lanes y) { return _mm512_maskz_min_epu64(0xff, x, y); }
    static bool any(Lanes x, Lanes limit) { return _mm512_cmple_epu64_mask(x, limit) != 0; }

    template <std::size_t W>
    static void turn(const std::uint8_t* rows, Lanes (&out)[W]) {
        if constexpr (W == 1) out[0] = _mm512_loadu_si512(rows);
        if constexpr (W == 2) {
            const Lanes a = _mm512_loadu_si512(rows), b = _mm512_loadu_si512(rows + 64);
            out[0] = _mm512_maskz_unpacklo_epi64(0xff, a, b);
            out[1] = _mm512_maskz_unpackhi_epi64(0xff, a, b);
        }
        if constexpr (W == 4) {
            Lanes even[2], odd[2];  // words 0 and 2, words 1 and 3
            for (std::size_t i = 0; i < 2; ++i) {
                const Lanes a = _mm512_loadu_si512(rows + 128 * i);
                const Lanes b = _mm512_loadu_si512(rows + 128 * i + 64);
                even[i] = _mm512_maskz_unpacklo_epi64(0xff, a, b);
                odd[i] = _mm512_maskz_unpackhi_epi64(0xff, a, b);
            }
            out[0] = _mm512_maskz_shuffle_i64x2(0xff, even[0], even[1], 0x88);
            out[1] = _mm512_maskz_shuffle_i64x2(0xff, odd[0], odd[1], 0x88);
            out[2] = _mm512_maskz_shuffle_i64x2(0xff, even[0], even[1], 0xdd);
            out[3] = _mm512_maskz_shuffle_i64x2(0xff, odd[0], odd[1], 0xdd);
        }
    }

    template <std::size_t W>
    static constexpr std::size_t order[8] = {0, 1, 2, 3, 4, 5, 6, 7};
};

template <>
constexpr std::size_t Words::order<2>[8] = {0, 4, 1, 5, 2, 6, 3, 7};
template <>
constexpr std::size_t Words::order<4>[8] = {0, 2, 1, 3, 4, 6, 5, 7};

}  // namespace
}  // namespace bitgrove::hamming_scan

#include "rows.hpp"

namespace bitgrove::hamming_scan {

void avx512(const HammingScan& s) {
    scan(s);
}

}  // namespace bitgrove::hamming_scan
#pragma GCC pop_options
