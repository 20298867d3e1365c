// Four ferns of a position side by side in 32 bits: one byte shuffle of 64 entries looks up four
// ferns of depth 4 at 16 positions, two of depth 5 or one of depth 6, and one instruction sums
// four bytes of each position.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bitgrove/fern_sums.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni")

#include "plain.hpp"

namespace bitgrove::fern_sums {
namespace {

constexpr std::size_t at_once = 256;  // ferns whose sums fit 16 bits

constexpr std::size_t fours(std::size_t n) {
    return (n + 3) / 4;
}

// What the address of the j-th fern of four begins with: its place in a table of 64.
constexpr std::uint32_t place(std::size_t depth, std::size_t j) {
    return static_cast<std::uint32_t>(depth <= 4 ? 16 * j : depth == 5 ? j % 2 * 32 : 0);
}

std::size_t address_bytes(std::size_t count, std::size_t positions) {
    return fours(count) * words(positions) * 256;
}

// [four ferns][position][fern]
void addresses(const std::uint64_t* const* planes, std::size_t count, std::size_t depth,
               std::size_t positions, std::uint8_t* out) {
    const std::size_t blocks = (positions + 15) / 16, all_blocks = words(positions) * 4;
    const std::uint32_t places =
        place(depth, 1) << 8 | place(depth, 2) << 16 | place(depth, 3) << 24;
    for (std::size_t q = 0; q < fours(count); ++q, out += all_blocks * 64) {
        const std::size_t here = count - 4 * q < 4 ? count - 4 * q : 4;
        for (std::size_t b = 0; b < blocks; ++b) {
            __m512i all = _mm512_set1_epi32(static_cast<std::int32_t>(places));
            for (std::size_t j = 0; j < here; ++j) {
                const std::uint64_t* const* tests = planes + (4 * q + j) * depth;
                for (std::size_t k = 0; k < depth; ++k) {
                    if (!tests[k]) continue;
                    const auto bits = static_cast<__mmask16>(tests[k][b / 4] >> b % 4 * 16);
                    const auto bit = static_cast<std::int32_t>(1u << (8 * j + k));
                    all = _mm512_mask_or_epi32(all, bits, all, _mm512_set1_epi32(bit));
                }
            }
            _mm512_storeu_si512(out + b * 64, all);
        }
    }
}

// Tables of 64 entries for each four ferns: one of all, two of two, or four of one.
std::size_t table_bytes(std::size_t count, std::size_t depth) {
    if (depth > 6) return plain_table_bytes(count, depth);
    return fours(count) * (depth <= 4 ? 64 : depth == 5 ? 128 : 256);
}

void pack_table(const std::int8_t* table, std::size_t count, std::size_t depth, std::int8_t* out) {
    if (depth > 6) {
        plain_pack_table(table, count, depth, out);
        return;
    }
    std::memset(out, 0, table_bytes(count, depth));
    const std::size_t entries = std::size_t{1} << depth, room = depth < 4 ? 16 : entries;
    for (std::size_t f = 0; f < count; ++f) {
        std::memcpy(out + f * room, table + f * entries, entries);
    }
}

// The bytes of four ferns at 16 positions.
template <std::size_t TABLES>
inline __m512i look_up(const std::int8_t* table, __m512i address) {
    __m512i found = _mm512_permutexvar_epi8(address, _mm512_load_si512(table));
    if constexpr (TABLES == 2) {
        found = _mm512_mask_permutexvar_epi8(found, 0xcccccccccccccccc, address,
                                             _mm512_load_si512(table + 64));
    }
    if constexpr (TABLES == 4) {
        found = _mm512_mask_permutexvar_epi8(found, 0x2222222222222222, address,
                                             _mm512_load_si512(table + 64));
        found = _mm512_mask_permutexvar_epi8(found, 0x4444444444444444, address,
                                             _mm512_load_si512(table + 128));
        found = _mm512_mask_permutexvar_epi8(found, 0x8888888888888888, address,
                                             _mm512_load_si512(table + 192));
    }
    return found;
}

// BLOCKS times 16 positions at once, which share the loads of the tables.
template <std::size_t TABLES, std::size_t BLOCKS>
inline void compare_blocks(const FernCompare& job, std::size_t block) {
    const FernSums& s = job.sums;
    const std::size_t step = words(s.positions) * 256;
    const __m512i ones = _mm512_set1_epi8(1);
    const std::uint8_t* from = s.addresses + block * 64;
    const std::int8_t* table = job.table;
    __m512i sums[BLOCKS];
#pragma GCC unroll 4
    for (std::size_t b = 0; b < BLOCKS; ++b) sums[b] = _mm512_setzero_si512();
    for (std::size_t q = 0; q < fours(s.ferns); ++q, from += step, table += 64 * TABLES) {
#pragma GCC unroll 4
        for (std::size_t b = 0; b < BLOCKS; ++b) {
            const __m512i address = _mm512_loadu_si512(from + b * 64);
            sums[b] = _mm512_dpbusd_epi32(sums[b], ones, look_up<TABLES>(table, address));
        }
    }
    for (std::size_t k = 0; k < job.tests; ++k) {
        const __m512i limit = _mm512_set1_epi32(job.thresholds[k]);
        std::uint64_t bits = 0;
#pragma GCC unroll 4
        for (std::size_t b = 0; b < BLOCKS; ++b) {
            const __mmask16 ge = _mm512_cmpge_epi32_mask(sums[b], limit);
            bits |= static_cast<std::uint64_t>(_cvtmask16_u32(ge)) << 16 * b;
        }
        std::uint64_t& word = job.out[k * job.out_stride + block / 4];
        const std::size_t shift = block % 4 * 16;
        word = shift ? word | bits << shift : bits;
    }
}

template <std::size_t TABLES>
void compare_by(const FernCompare& job) {
    const std::size_t blocks = (job.sums.positions + 15) / 16;
    std::size_t b = 0;
    for (; b + 4 <= blocks; b += 4) compare_blocks<TABLES, 4>(job, b);
    if (b + 2 <= blocks) {
        compare_blocks<TABLES, 2>(job, b);
        b += 2;
    }
    if (b < blocks) compare_blocks<TABLES, 1>(job, b);
    const std::size_t rest = job.sums.positions % 64;
    if (rest == 0) return;
    const std::size_t last = job.sums.positions / 64;
    for (std::size_t k = 0; k < job.tests; ++k) {
        job.out[k * job.out_stride + last] &= (std::uint64_t{1} << rest) - 1;
    }
}

// Deeper tables are read entry by entry.
void compare_deep(const FernCompare& job) {
    const FernSums& s = job.sums;
    const std::size_t step = words(s.positions) * 256;
    for (std::size_t k = 0; k < job.tests; ++k) {
        std::memset(job.out + k * job.out_stride, 0, words(s.positions) * sizeof(std::uint64_t));
    }
    for (std::size_t x = 0; x < s.positions; ++x) {
        std::int32_t sum = 0;
        for (std::size_t f = 0; f < s.ferns; ++f) {
            sum += job.table[(f << s.depth) + s.addresses[f / 4 * step + 4 * x + f % 4]];
        }
        for (std::size_t k = 0; k < job.tests; ++k) {
            const std::uint64_t bit = sum >= job.thresholds[k];
            job.out[k * job.out_stride + x / 64] |= bit << x % 64;
        }
    }
}

void compare(const FernCompare& job) {
    if (job.sums.depth <= 4) {
        compare_by<1>(job);
    } else if (job.sums.depth == 5) {
        compare_by<2>(job);
    } else if (job.sums.depth == 6) {
        compare_by<4>(job);
    } else {
        compare_deep(job);
    }
}

inline void finish(__m512i sum, const FernRows& job, std::size_t o, float* out) {
    if (o >= job.outs) return;
    const std::size_t left = job.outs - o;
    const auto mask = static_cast<__mmask16>(left >= 16 ? 0xffffu : (1u << left) - 1u);
    const __m512 y =
        _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(job.scale + o)),
                      _mm512_loadu_ps(job.bias + o));
    _mm512_mask_storeu_ps(out + o, mask, y);
}

// PIXELS positions and VECTORS times 32 outputs from o.
template <std::size_t PIXELS, std::size_t VECTORS>
inline void rows_of(const FernRows& job, std::size_t x, std::size_t o) {
    const FernSums& s = job.sums;
    const std::size_t step = words(s.positions) * 256;
    const std::uint8_t* from = s.addresses + 4 * (job.first + x);
    __m512i wide[PIXELS][2 * VECTORS];
    for (auto& pixel : wide) {
        for (__m512i& sum : pixel) sum = _mm512_setzero_si512();
    }
    for (std::size_t f = 0; f < s.ferns;) {
        const std::size_t last = f + at_once < s.ferns ? f + at_once : s.ferns;
        __m512i sum[PIXELS][VECTORS];
#pragma GCC unroll 4
        for (std::size_t p = 0; p < PIXELS; ++p) {
#pragma GCC unroll 4
            for (std::size_t v = 0; v < VECTORS; ++v) sum[p][v] = _mm512_setzero_si512();
        }
        for (; f < last; ++f) {
            const std::uint8_t* bytes = from + f / 4 * step + f % 4;
            const std::size_t base = (f << s.depth) - place(s.depth, f % 4);  // may wrap
#pragma GCC unroll 4
            for (std::size_t p = 0; p < PIXELS; ++p) {
                const std::int16_t* at = job.table + (base + bytes[4 * p]) * job.row + o;
#pragma GCC unroll 4
                for (std::size_t v = 0; v < VECTORS; ++v) {
                    sum[p][v] = _mm512_add_epi16(sum[p][v], _mm512_loadu_si512(at + 32 * v));
                }
            }
        }
        for (std::size_t p = 0; p < PIXELS; ++p) {
            for (std::size_t v = 0; v < VECTORS; ++v) {
                const __m512i low = _mm512_cvtepi16_epi32(_mm512_castsi512_si256(sum[p][v]));
                const __m512i high = _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(sum[p][v], 1));
                wide[p][2 * v] = _mm512_add_epi32(wide[p][2 * v], low);
                wide[p][2 * v + 1] = _mm512_add_epi32(wide[p][2 * v + 1], high);
            }
        }
    }
    for (std::size_t p = 0; p < PIXELS; ++p) {
        float* out = job.out + (x + p) * job.out_stride;
        for (std::size_t v = 0; v < 2 * VECTORS; ++v) finish(wide[p][v], job, o + 16 * v, out);
    }
}

template <std::size_t PIXELS>
inline void rows_at(const FernRows& job, std::size_t x) {
    std::size_t o = 0;
    for (; o + 32 < job.outs; o += 64) rows_of<PIXELS, 2>(job, x, o);
    if (o < job.outs) rows_of<PIXELS, 1>(job, x, o);
}

void rows(const FernRows& given) {
    const FernRows job = given;  // what is stored could be the job, for all the compiler knows
    std::size_t x = 0;
    for (; x + 4 <= job.count; x += 4) rows_at<4>(job, x);
    for (; x < job.count; ++x) rows_at<1>(job, x);
}

void above(const float* x, std::size_t step, std::size_t count, float threshold,
           std::uint64_t* out) {
    if (step > 2) {
        plain_above(x, step, count, threshold, out);
        return;
    }
    const __m512 limit = _mm512_set1_ps(threshold);
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    std::memset(out, 0, words(count) * sizeof *out);
    for (std::size_t i = 0; i < count; i += 16) {
        const std::size_t n = count - i < 16 ? count - i : 16;
        const auto mask = static_cast<__mmask16>((1u << n) - 1u);
        __m512 numbers;
        if (step == 1) {
            numbers = _mm512_maskz_loadu_ps(mask, x + i);
        } else {
            // The last number wanted may be the last that there is.
            const std::uint32_t reach = n == 16 ? 0x7fffffffu : (1u << (2 * n - 1)) - 1u;
            const __m512 low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(reach), x + 2 * i);
            const __m512 high =
                _mm512_maskz_loadu_ps(static_cast<__mmask16>(reach >> 16), x + 2 * i + 16);
            numbers = _mm512_permutex2var_ps(low, even, high);
        }
        const __mmask16 ge = _mm512_mask_cmp_ps_mask(mask, numbers, limit, _CMP_GE_OQ);
        out[i / 64] |= static_cast<std::uint64_t>(_cvtmask16_u32(ge)) << i % 64;
    }
}

}  // namespace

constinit const FernSumsKernels avx512{.address_bytes = address_bytes,
                                       .addresses = addresses,
                                       .table_bytes = table_bytes,
                                       .pack_table = pack_table,
                                       .compare = compare,
                                       .rows = rows,
                                       .above = above};

}  // namespace bitgrove::fern_sums
#pragma GCC pop_options
