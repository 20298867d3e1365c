#include <immintrin.h>

#include "bitgrove/distance.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,popcnt")

// The maskz forms with a full mask are the plain instructions; the plain forms make gcc 12 warn
// about variables of its own headers.

namespace bitgrove::distance {
namespace {

constexpr std::size_t kLanes = 32;

// Up to sixteen elements; those past the mask are zero and not read.
inline __m512 load16(const float* x, std::uint32_t mask) {
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), x);
}
inline __m512 load16(const std::uint16_t* x, std::uint32_t mask) {
    return _mm512_maskz_cvtph_ps(0xffff, _mm256_maskz_loadu_epi16(static_cast<__mmask16>(mask), x));
}

// The 32 partial sums. Rounding steps are written out (no fused multiply-add): all levels agree.
struct Sums {
    __m512 low, high;

    // Written out: an implicit constructor would be compiled outside the target region.
    inline Sums() : low(_mm512_setzero_ps()), high(_mm512_setzero_ps()) {}

    inline float fold() const {
        const __m512 sixteen = _mm512_add_ps(low, high);
        const __m256 eight = _mm256_add_ps(_mm512_maskz_extractf32x8_ps(0xff, sixteen, 0),
                                           _mm512_maskz_extractf32x8_ps(0xff, sixteen, 1));
        const __m128 four =
            _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
        const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
    }
};

template <typename T>
inline void add_l2(Sums& sums, const T* a, const T* b, std::uint32_t mask) {
    const __m512 d = _mm512_sub_ps(load16(a, mask), load16(b, mask));
    const __m512 e = _mm512_sub_ps(load16(a + 16, mask >> 16), load16(b + 16, mask >> 16));
    sums.low = _mm512_add_ps(sums.low, _mm512_mul_ps(d, d));
    sums.high = _mm512_add_ps(sums.high, _mm512_mul_ps(e, e));
}

template <typename T>
inline void add_ip(Sums& sums, const T* a, const T* b, std::uint32_t mask) {
    sums.low = _mm512_add_ps(sums.low, _mm512_mul_ps(load16(a, mask), load16(b, mask)));
    sums.high = _mm512_add_ps(
        sums.high, _mm512_mul_ps(load16(a + 16, mask >> 16), load16(b + 16, mask >> 16)));
}

template <typename T, void (*STEP)(Sums&, const T*, const T*, std::uint32_t)>
float reals(const T* a, const T* b, std::size_t dim) {
    Sums sums;
    std::size_t i = 0;
    for (; i + kLanes <= dim; i += kLanes) STEP(sums, a + i, b + i, ~0u);
    if (i < dim) STEP(sums, a + i, b + i, (1u << (dim - i)) - 1u);
    return sums.fold();
}

// Sums of 64 products of bytes, in 32-bit lanes that may wrap: only the total must fit.
inline __m512i products(__m512i x, __m512i y) {
    const __m512i zero = _mm512_setzero_si512();
    return _mm512_add_epi32(
        _mm512_madd_epi16(_mm512_unpacklo_epi8(x, zero), _mm512_unpacklo_epi8(y, zero)),
        _mm512_madd_epi16(_mm512_unpackhi_epi8(x, zero), _mm512_unpackhi_epi8(y, zero)));
}

inline __m512i squares(__m512i x, __m512i y) {
    const __m512i d = _mm512_or_si512(_mm512_subs_epu8(x, y), _mm512_subs_epu8(y, x));
    return products(d, d);
}

inline __m256i halves(__m512i v) {  // lane by lane, the sum of the two halves
    return _mm256_add_epi32(_mm512_maskz_extracti64x4_epi64(0xf, v, 0),
                            _mm512_maskz_extracti64x4_epi64(0xf, v, 1));
}

// Sums of 32-bit lanes, modulo 2^32; also of 64-bit lanes whose total is below 2^32.
inline std::uint32_t sum_lanes(__m512i v) {
    const __m256i eight = halves(v);
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return static_cast<std::uint32_t>(_mm_cvtsi128_si32(s));
}

inline __mmask64 first(std::size_t n) {
    return n >= 64 ? ~0ull : (1ull << n) - 1ull;
}

template <__m512i (*STEP)(__m512i, __m512i)>
std::uint32_t bytes(const std::uint8_t* a, const std::uint8_t* b, std::size_t dim) {
    __m512i sum = _mm512_setzero_si512();
    for (std::size_t i = 0; i < dim; i += 64) {
        const __mmask64 mask = first(dim - i);
        sum = _mm512_add_epi32(
            sum, STEP(_mm512_maskz_loadu_epi8(mask, a + i), _mm512_maskz_loadu_epi8(mask, b + i)));
    }
    return sum_lanes(sum);
}

inline std::uint64_t load_word(const std::uint8_t* x, std::size_t n) {
    std::uint64_t word = 0;
    __builtin_memcpy(&word, x, n);
    return word;
}

std::uint32_t hamming(const std::uint8_t* a, const std::uint8_t* b, std::size_t bytes) {
    if (bytes <= 32) {  // four scalar POPCNTs are shorter than a horizontal sum
        std::int64_t count = 0;
        std::size_t i = 0;
        for (; i + 8 <= bytes; i += 8) {
            count += _mm_popcnt_u64(load_word(a + i, 8) ^ load_word(b + i, 8));
        }
        if (i < bytes) {
            count += _mm_popcnt_u64(load_word(a + i, bytes - i) ^ load_word(b + i, bytes - i));
        }
        return static_cast<std::uint32_t>(count);
    }
    __m512i sum = _mm512_setzero_si512();
    for (std::size_t i = 0; i < bytes; i += 64) {
        const __mmask64 mask = first(bytes - i);
        sum = _mm512_add_epi64(
            sum, _mm512_popcnt_epi64(_mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, a + i),
                                                      _mm512_maskz_loadu_epi8(mask, b + i))));
    }
    return sum_lanes(sum);
}

}  // namespace

const DistanceKernels avx512{.l2_f32 = reals<float, add_l2<float>>,
                             .ip_f32 = reals<float, add_ip<float>>,
                             .l2_f16 = reals<std::uint16_t, add_l2<std::uint16_t>>,
                             .ip_f16 = reals<std::uint16_t, add_ip<std::uint16_t>>,
                             .l2_u8 = bytes<squares>,
                             .ip_u8 = bytes<products>,
                             .hamming = hamming};

}  // namespace bitgrove::distance
#pragma GCC pop_options
