// A table of 256 bytes in four registers, looked up by permutations of bytes for 64 rows at once.
#include <immintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>

#include "bitgrove/block_scan.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vbmi,bmi,bmi2")

namespace bitgrove::block_scan {
namespace {

constexpr std::size_t kGroups = 4;  // that share the loads of a table

// T registers of a table: 64 T values.
template <std::size_t T>
inline __m512i look_up(const __m512i (&table)[T], __m512i codes) {
    if constexpr (T == 1) return _mm512_permutexvar_epi8(codes, table[0]);
    const __m512i lower = _mm512_permutex2var_epi8(table[0], codes, table[T > 1]);
    if constexpr (T == 2) return lower;
    const __m512i upper = _mm512_permutex2var_epi8(table[T > 2 ? 2 : 0], codes, table[T - 1]);
    return _mm512_mask_mov_epi8(lower, _mm512_movepi8_mask(codes), upper);
}

template <std::size_t T, std::size_t G>
std::uint32_t* groups(const BlockScan& s, std::size_t g, std::uint32_t* end) {
    const __m512i low = _mm512_set1_epi16(0xff);
    const __m512i least = _mm512_set1_epi16(static_cast<short>(s.least));
    __m512i even[G], odd[G];  // sums of rows 0, 2, ... and 1, 3, ... of each group
    for (std::size_t i = 0; i < G; ++i) even[i] = odd[i] = _mm512_setzero_si512();
    for (std::size_t m = 0; m < s.blocks; ++m) {
        __m512i table[T];
        for (std::size_t t = 0; t < T; ++t) {
            table[t] = _mm512_loadu_si512(s.table + m * 256 + 64 * t);
        }
        for (std::size_t i = 0; i < G; ++i) {
            const __m512i found = look_up<T>(
                table, _mm512_loadu_si512(s.groups + ((g + i) * s.blocks + m) * kBlockGroup));
            even[i] = _mm512_add_epi16(even[i], _mm512_and_si512(found, low));
            odd[i] = _mm512_add_epi16(odd[i], _mm512_srli_epi16(found, 8));
        }
    }
    for (std::size_t i = 0; i < G; ++i) {
        const std::uint64_t hit_even = _mm512_cmpge_epu16_mask(even[i], least);
        const std::uint64_t hit_odd = _mm512_cmpge_epu16_mask(odd[i], least);
        std::uint64_t hits =
            _pdep_u64(hit_even, 0x5555555555555555u) | _pdep_u64(hit_odd, 0xaaaaaaaaaaaaaaaau);
        for (; hits; hits &= hits - 1) {
            *end++ = static_cast<std::uint32_t>(s.first + (g + i) * kBlockGroup +
                                                static_cast<unsigned>(std::countr_zero(hits)));
        }
    }
    return end;
}

template <std::size_t T>
std::uint32_t* all(const BlockScan& s) {
    std::uint32_t* end = s.end;
    std::size_t g = 0;
    for (; g + kGroups <= s.count; g += kGroups) end = groups<T, kGroups>(s, g, end);
    for (; g < s.count; ++g) end = groups<T, 1>(s, g, end);
    return end;
}

}  // namespace

std::uint32_t* avx512(const BlockScan& s) {
    if (s.values <= 64) return all<1>(s);
    return s.values <= 128 ? all<2>(s) : all<4>(s);
}

}  // namespace bitgrove::block_scan
#pragma GCC pop_options
