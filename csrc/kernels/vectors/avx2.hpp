// Vectors of numbers as the kernels see them. Included inside a target region, after
// <immintrin.h>; the names belong to the including file, so that levels never share an inline
// function. Each level has a `Vector` with the same members:
//
//     load, store       with a mask from first(n): the first n lanes alone touch memory, the others
//                       read as 0
//     fma(x, y, z)      x * y + z, rounded once where the level can
//     max, min          (x, y): x > y ? x : y, and x < y ? x : y; y where they are equal and for
//     NaN less, at_least    (x, y, yes, no): yes where x < y, or x >= y; no elsewhere and for NaN
//     signs(bits, q)    +1 or -1 by the bits from width*q on, least significant first; may read
//                       four bytes at `bits`
//
// No include guard on purpose: the including file has it to itself.
#include <cstddef>
#include <cstring>

namespace bitgrove {
namespace {

struct Vector {
    using Lanes = __m256;
    using Mask = __m256i;
    static constexpr std::size_t width = 8;

    static __m256i lane() { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }
    static Mask first(std::size_t n) {
        return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane());
    }
    static Lanes load(const float* p) { return _mm256_loadu_ps(p); }
    static Lanes load(const float* p, Mask mask) { return _mm256_maskload_ps(p, mask); }
    static void store(float* p, Lanes x) { _mm256_storeu_ps(p, x); }
    static void store(float* p, Lanes x, Mask mask) { _mm256_maskstore_ps(p, mask, x); }
    static Lanes zero() { return _mm256_setzero_ps(); }
    static Lanes set(float x) { return _mm256_set1_ps(x); }
    static Lanes add(Lanes x, Lanes y) { return _mm256_add_ps(x, y); }
    static Lanes sub(Lanes x, Lanes y) { return _mm256_sub_ps(x, y); }
    static Lanes mul(Lanes x, Lanes y) { return _mm256_mul_ps(x, y); }
    static Lanes fma(Lanes x, Lanes y, Lanes z) { return _mm256_fmadd_ps(x, y, z); }
    static Lanes max(Lanes x, Lanes y) { return _mm256_max_ps(x, y); }
    static Lanes min(Lanes x, Lanes y) { return _mm256_min_ps(x, y); }
    static Lanes equal(Lanes x, Lanes y, Lanes yes, Lanes no) {
        return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(x, y, _CMP_EQ_OQ));
    }
    static Lanes at_least(Lanes x, Lanes y, Lanes yes, Lanes no) {
        return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(x, y, _CMP_GE_OQ));
    }
    static Lanes signs(const unsigned char* bits, std::size_t q) {
        int word;
        std::memcpy(&word, bits, sizeof word);
        // The lane's bit goes where the sign of a float is; there, 1 means minus.
        const __m256i shift =
            _mm256_sub_epi32(_mm256_set1_epi32(static_cast<int>(31 - 8 * q)), lane());
        const __m256i top = _mm256_sllv_epi32(_mm256_set1_epi32(word), shift);
        const __m256 sign = _mm256_andnot_ps(_mm256_castsi256_ps(top), _mm256_set1_ps(-0.0f));
        return _mm256_or_ps(sign, _mm256_set1_ps(1.0f));
    }
};

}  // namespace
}  // namespace bitgrove
