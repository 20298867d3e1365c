// A table of 256 bytes as 16 of 16, looked up one after the other: a byte whose upper half is not
// the number of the part gets zero there.
#include <immintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>

#include "bitgrove/block_scan.hpp"

#pragma GCC push_options
#pragma GCC target("avx2,bmi,popcnt")

namespace bitgrove::block_scan {
namespace {

// The bits of the bytes of 16-bit lanes in which a is at least b.
inline std::uint32_t at_least(__m256i a, __m256i b) {
    return static_cast<std::uint32_t>(
        _mm256_movemask_epi8(_mm256_cmpeq_epi16(_mm256_max_epu16(a, b), a)));
}

}  // namespace

std::uint32_t* avx2(const BlockScan& s) {
    const std::size_t parts = (s.values + 15) / 16;
    const __m256i least = _mm256_set1_epi16(static_cast<short>(s.least));
    const __m256i low = _mm256_set1_epi16(0xff), beyond = _mm256_set1_epi8(0x70);
    std::uint32_t* end = s.end;
    for (std::size_t g = 0; g < s.count; ++g) {
        __m256i even[2] = {}, odd[2] = {};  // sums of rows 0, 2, ... and 1, 3, ... of each half
        for (std::size_t m = 0; m < s.blocks; ++m) {
            const std::uint8_t* at = s.groups + (g * s.blocks + m) * kBlockGroup;
            const __m256i codes[2] = {
                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)),
                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32))};
            __m256i found[2] = {};
            for (std::size_t p = 0; p < parts; ++p) {
                const __m256i table = _mm256_broadcastsi128_si256(
                    _mm_loadu_si128(reinterpret_cast<const __m128i*>(s.table + m * 256 + 16 * p)));
                const __m256i part = _mm256_set1_epi8(static_cast<char>(p << 4));
                for (int h = 0; h < 2; ++h) {
                    const __m256i place =
                        _mm256_adds_epu8(_mm256_xor_si256(codes[h], part), beyond);
                    found[h] = _mm256_or_si256(found[h], _mm256_shuffle_epi8(table, place));
                }
            }
            for (int h = 0; h < 2; ++h) {
                even[h] = _mm256_add_epi16(even[h], _mm256_and_si256(found[h], low));
                odd[h] = _mm256_add_epi16(odd[h], _mm256_srli_epi16(found[h], 8));
            }
        }
        for (int h = 0; h < 2; ++h) {
            std::uint32_t hits =
                (at_least(even[h], least) & 0x55555555u) | (at_least(odd[h], least) & 0xaaaaaaaau);
            for (; hits; hits &= hits - 1) {
                *end++ = static_cast<std::uint32_t>(s.first + g * kBlockGroup + 32 * h +
                                                    std::countr_zero(hits));
            }
        }
    }
    return end;
}

}  // namespace bitgrove::block_scan
#pragma GCC pop_options
