#include <immintrin.h>

#include "bitgrove/hamming.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512vpopcntdq,popcnt")

namespace bitgrove::hamming {

void avx512(const std::uint64_t* a, std::size_t na, const std::uint64_t* b, std::size_t nb,
            std::size_t words, std::int32_t* out) {
    const std::size_t body = words / 8 * 8;
    const auto tail = static_cast<__mmask8>((1u << (words - body)) - 1u);
    for (std::size_t i = 0; i < na; ++i) {
        const std::uint64_t* row = a + i * words;
        for (std::size_t j = 0; j < nb; ++j) {
            const std::uint64_t* col = b + j * words;
            if (words <= 2) {  // scalar POPCNT is shorter than a horizontal sum
                std::int64_t count = _mm_popcnt_u64(row[0] ^ col[0]);
                if (words == 2) count += _mm_popcnt_u64(row[1] ^ col[1]);
                out[i * nb + j] = static_cast<std::int32_t>(count);
                continue;
            }
            __m512i sum = _mm512_setzero_si512();
            for (std::size_t w = 0; w < body; w += 8) {
                sum = _mm512_add_epi64(
                    sum, _mm512_popcnt_epi64(_mm512_xor_si512(_mm512_loadu_si512(row + w),
                                                              _mm512_loadu_si512(col + w))));
            }
            if (tail) {
                sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(
                                                _mm512_maskz_loadu_epi64(tail, row + body),
                                                _mm512_maskz_loadu_epi64(tail, col + body))));
            }
            out[i * nb + j] = static_cast<std::int32_t>(_mm512_reduce_add_epi64(sum));
        }
    }
}

}  // namespace bitgrove::hamming
#pragma GCC pop_options
