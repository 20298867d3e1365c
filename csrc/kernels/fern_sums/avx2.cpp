// Tables of 16 bytes in a byte shuffle, 32 positions at a time; sums in 16 bits.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bitgrove/fern_sums.hpp"

#pragma GCC push_options
#pragma GCC target("avx2")

#include "plain.hpp"

namespace bitgrove::fern_sums {
namespace {

constexpr std::size_t at_once = 256;  // ferns whose sums fit 16 bits

// Bit i to byte i, as 0 or -1.
inline __m256i spread(std::uint32_t bits) {
    const __m256i each = _mm256_setr_epi64x(0x0000000000000000, 0x0101010101010101,
                                            0x0202020202020202, 0x0303030303030303);
    const __m256i one = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
    const __m256i bytes =
        _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<std::int32_t>(bits)), each);
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, one), one);
}

void addresses(const std::uint64_t* const* planes, std::size_t count, std::size_t depth,
               std::size_t positions, std::uint8_t* out) {
    for (std::size_t f = 0; f < count; ++f, planes += depth) {
        for (std::size_t half = 0; half < 2 * words(positions); ++half, out += 32) {
            __m256i all = _mm256_setzero_si256();
            for (std::size_t k = 0; k < depth; ++k) {
                if (!planes[k]) continue;
                const auto bits = static_cast<std::uint32_t>(planes[k][half / 2] >> half % 2 * 32);
                const __m256i bit = _mm256_set1_epi8(static_cast<char>(1 << k));
                all = _mm256_or_si256(all, _mm256_and_si256(spread(bits), bit));
            }
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), all);
        }
    }
}

void compare(const FernCompare& job) {
    const FernSums& s = job.sums;
    if (s.depth > 4 || s.ferns > at_once) {
        plain_compare(job);
        return;
    }
    const std::size_t row = words(s.positions) * 64;
    for (std::size_t half = 0; half < 2 * words(s.positions); ++half) {
        const std::uint8_t* from = s.addresses + half * 32;
        // The even bytes and the odd ones.
        __m256i even = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
        for (std::size_t f = 0; f < s.ferns; ++f) {
            const auto* table = reinterpret_cast<const __m128i*>(job.table + f * 16);
            const __m256i found = _mm256_shuffle_epi8(
                _mm256_broadcastsi128_si256(_mm_load_si128(table)),
                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + f * row)));
            even = _mm256_add_epi16(even, _mm256_srai_epi16(_mm256_slli_epi16(found, 8), 8));
            odd = _mm256_add_epi16(odd, _mm256_srai_epi16(found, 8));
        }
        const std::size_t done = half * 32;
        const std::size_t left = s.positions > done ? s.positions - done : 0;
        const std::uint32_t valid = left >= 32 ? ~0u : (1u << left) - 1u;
        for (std::size_t k = 0; k < job.tests; ++k) {
            // sum >= t where sum > t - 1, at most the largest and at least the smallest number
            const std::int32_t t = job.thresholds[k];
            const std::int32_t below = t > 32767 ? 32767 : t < -32767 ? -32768 : t - 1;
            const __m256i limit = _mm256_set1_epi16(static_cast<std::int16_t>(below));
            const __m256i high = _mm256_cmpgt_epi16(odd, limit);
            const __m256i low = _mm256_cmpgt_epi16(even, limit);
            const __m256i both =
                _mm256_blendv_epi8(low, high, _mm256_set1_epi16(static_cast<std::int16_t>(0xff00)));
            const auto bits = static_cast<std::uint32_t>(_mm256_movemask_epi8(both)) & valid;
            std::uint64_t& word = job.out[k * job.out_stride + half / 2];
            word = half % 2 ? word | static_cast<std::uint64_t>(bits) << 32 : bits;
        }
    }
}

inline void finish(__m256i sum, const FernRows& job, std::size_t o, float* out) {
    const __m256 y =
        _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_loadu_ps(job.scale + o)),
                      _mm256_loadu_ps(job.bias + o));
    if (o + 8 <= job.outs) {
        _mm256_storeu_ps(out + o, y);
    } else if (o < job.outs) {
        float all[8];
        _mm256_storeu_ps(all, y);
        std::memcpy(out + o, all, (job.outs - o) * sizeof(float));
    }
}

void rows(const FernRows& job) {
    const FernSums& s = job.sums;
    const std::size_t row = words(s.positions) * 64;
    for (std::size_t x = 0; x < job.count; ++x) {
        float* out = job.out + x * job.out_stride;
        const std::uint8_t* from = s.addresses + job.first + x;
        for (std::size_t o = 0; o < job.outs; o += 32) {
            __m256i wide[4] = {};
            for (std::size_t f = 0; f < s.ferns;) {
                const std::size_t last = f + at_once < s.ferns ? f + at_once : s.ferns;
                __m256i sum[2] = {};
                for (; f < last; ++f) {
                    const auto* at = reinterpret_cast<const __m256i*>(
                        job.table + ((f << s.depth) + from[f * row]) * job.row + o);
                    sum[0] = _mm256_add_epi16(sum[0], _mm256_loadu_si256(at));
                    sum[1] = _mm256_add_epi16(sum[1], _mm256_loadu_si256(at + 1));
                }
                for (std::size_t i = 0; i < 2; ++i) {
                    const __m256i low = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(sum[i]));
                    const __m256i high = _mm256_cvtepi16_epi32(_mm256_extracti128_si256(sum[i], 1));
                    wide[2 * i] = _mm256_add_epi32(wide[2 * i], low);
                    wide[2 * i + 1] = _mm256_add_epi32(wide[2 * i + 1], high);
                }
            }
            for (std::size_t i = 0; i < 4; ++i) finish(wide[i], job, o + 8 * i, out);
        }
    }
}

}  // namespace

constinit const FernSumsKernels avx2{.address_bytes = plain_address_bytes,
                                     .addresses = addresses,
                                     .table_bytes = plain_table_bytes,
                                     .pack_table = plain_pack_table,
                                     .compare = compare,
                                     .rows = rows,
                                     .above = plain_above};

}  // namespace bitgrove::fern_sums
#pragma GCC pop_options
