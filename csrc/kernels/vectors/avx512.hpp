// Vectors for a target region with AVX-512 F, BW, DQ and VL. See avx2.hpp for the contract.
//
// No include guard on purpose: the including file has it to itself.
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace bitgrove {
namespace {

struct Vector {
    using Lanes = __m512;
    using Mask = __mmask16;
    static constexpr std::size_t width = 16;

    static Mask first(std::size_t n) {
        return static_cast<Mask>(n >= 16 ? 0xffffu : (1u << n) - 1u);
    }
    static Lanes load(const float* p) { return _mm512_loadu_ps(p); }
    static Lanes load(const float* p, Mask mask) { return _mm512_maskz_loadu_ps(mask, p); }
    static void store(float* p, Lanes x) { _mm512_storeu_ps(p, x); }
    static void store(float* p, Lanes x, Mask mask) { _mm512_mask_storeu_ps(p, mask, x); }
    static Lanes zero() { return _mm512_setzero_ps(); }
    static Lanes set(float x) { return _mm512_set1_ps(x); }
    static Lanes add(Lanes x, Lanes y) { return _mm512_add_ps(x, y); }
    static Lanes sub(Lanes x, Lanes y) { return _mm512_sub_ps(x, y); }
    static Lanes mul(Lanes x, Lanes y) { return _mm512_mul_ps(x, y); }
    static Lanes fma(Lanes x, Lanes y, Lanes z) { return _mm512_fmadd_ps(x, y, z); }
    static Lanes max(Lanes x, Lanes y) { return _mm512_max_ps(x, y); }
    static Lanes min(Lanes x, Lanes y) { return _mm512_min_ps(x, y); }
    static Lanes equal(Lanes x, Lanes y, Lanes yes, Lanes no) {
        return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_EQ_OQ), no, yes);
    }
    static Lanes at_least(Lanes x, Lanes y, Lanes yes, Lanes no) {
        return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_GE_OQ), no, yes);
    }
    static Lanes signs(const unsigned char* bits, std::size_t q) {
        std::uint16_t word;
        std::memcpy(&word, bits + 2 * q, sizeof word);
        return _mm512_mask_blend_ps(_cvtu32_mask16(word), set(-1.0f), set(1.0f));
    }
};

}  // namespace
}  // namespace bitgrove
