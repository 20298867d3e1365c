#include <immintrin.h>

#include "bitgrove/distance.hpp"

#pragma GCC push_options
#pragma GCC target("avx2,f16c,popcnt")  // no fma: the sums must round as the other levels' do

namespace bitgrove::distance {
namespace {

constexpr std::size_t kLanes = 32;

inline __m256 load8(const float* x) {
    return _mm256_loadu_ps(x);
}
inline __m256 load8(const std::uint16_t* x) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
}

// The 32 partial sums.
struct Sums {
    __m256 s[4];

    // Written out: an implicit constructor would be compiled outside the target region.
    inline Sums() {
        for (__m256& lanes : s) lanes = _mm256_setzero_ps();
    }

    inline float fold() const {
        const __m256 eight = _mm256_add_ps(_mm256_add_ps(s[0], s[2]), _mm256_add_ps(s[1], s[3]));
        const __m128 four =
            _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
        const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
    }
};

template <typename T>
inline void add_l2(Sums& sums, const T* a, const T* b) {
    for (int j = 0; j < 4; ++j) {
        const __m256 d = _mm256_sub_ps(load8(a + 8 * j), load8(b + 8 * j));
        sums.s[j] = _mm256_add_ps(sums.s[j], _mm256_mul_ps(d, d));
    }
}

template <typename T>
inline void add_ip(Sums& sums, const T* a, const T* b) {
    for (int j = 0; j < 4; ++j) {
        sums.s[j] = _mm256_add_ps(sums.s[j], _mm256_mul_ps(load8(a + 8 * j), load8(b + 8 * j)));
    }
}

// The last elements followed by zeros, which add nothing to any sum.
template <typename T>
struct Tail {
    T a[kLanes] = {};
    T b[kLanes] = {};
    inline Tail(const T* x, const T* y, std::size_t n) {
        __builtin_memcpy(a, x, n * sizeof(T));
        __builtin_memcpy(b, y, n * sizeof(T));
    }
};

template <typename T>
float l2(const T* a, const T* b, std::size_t dim) {
    Sums sums;
    std::size_t i = 0;
    for (; i + kLanes <= dim; i += kLanes) add_l2(sums, a + i, b + i);
    if (i < dim) {
        const Tail<T> tail(a + i, b + i, dim - i);
        add_l2(sums, tail.a, tail.b);
    }
    return sums.fold();
}

template <typename T>
float ip(const T* a, const T* b, std::size_t dim) {
    Sums sums;
    std::size_t i = 0;
    for (; i + kLanes <= dim; i += kLanes) add_ip(sums, a + i, b + i);
    if (i < dim) {
        const Tail<T> tail(a + i, b + i, dim - i);
        add_ip(sums, tail.a, tail.b);
    }
    return sums.fold();
}

inline __m256i load32(const std::uint8_t* x) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
}

inline std::uint32_t sum_lanes(__m256i v) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return static_cast<std::uint32_t>(_mm_cvtsi128_si32(s));
}

// Sums of 32 products of bytes, in 32-bit lanes that may wrap: only the total must fit.
inline __m256i products(__m256i x, __m256i y) {
    const __m256i zero = _mm256_setzero_si256();
    return _mm256_add_epi32(
        _mm256_madd_epi16(_mm256_unpacklo_epi8(x, zero), _mm256_unpacklo_epi8(y, zero)),
        _mm256_madd_epi16(_mm256_unpackhi_epi8(x, zero), _mm256_unpackhi_epi8(y, zero)));
}

inline __m256i squares(__m256i x, __m256i y) {
    const __m256i d = _mm256_or_si256(_mm256_subs_epu8(x, y), _mm256_subs_epu8(y, x));
    return products(d, d);
}

template <__m256i (*STEP)(__m256i, __m256i)>
std::uint32_t bytes(const std::uint8_t* a, const std::uint8_t* b, std::size_t dim) {
    __m256i sum = _mm256_setzero_si256();
    std::size_t i = 0;
    for (; i + kLanes <= dim; i += kLanes) {
        sum = _mm256_add_epi32(sum, STEP(load32(a + i), load32(b + i)));
    }
    if (i < dim) {
        const Tail<std::uint8_t> tail(a + i, b + i, dim - i);
        sum = _mm256_add_epi32(sum, STEP(load32(tail.a), load32(tail.b)));
    }
    return sum_lanes(sum);
}

inline std::uint64_t load_word(const std::uint8_t* x, std::size_t n) {
    std::uint64_t word = 0;
    __builtin_memcpy(&word, x, n);
    return word;
}

std::uint32_t hamming(const std::uint8_t* a, const std::uint8_t* b, std::size_t bytes) {
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

}  // namespace

const DistanceKernels avx2{.l2_f32 = l2<float>,
                           .ip_f32 = ip<float>,
                           .l2_f16 = l2<std::uint16_t>,
                           .ip_f16 = ip<std::uint16_t>,
                           .l2_u8 = bytes<squares>,
                           .ip_u8 = bytes<products>,
                           .hamming = hamming};

}  // namespace bitgrove::distance
#pragma GCC pop_options
