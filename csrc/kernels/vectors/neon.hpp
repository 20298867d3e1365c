// Vectors of a 64-bit ARM, which needs no target region. See avx2.hpp for the contract.
//
// No include guard on purpose: the including file has it to itself.
#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace bitgrove {
namespace {

struct Vector {
    using Lanes = float32x4_t;
    using Mask = std::size_t;
    static constexpr std::size_t width = 4;

    static Mask first(std::size_t n) { return n; }
    static Lanes load(const float* p) { return vld1q_f32(p); }
    static Lanes load(const float* p, Mask n) {
        float lanes[4] = {};
        std::memcpy(lanes, p, n * sizeof(float));
        return vld1q_f32(lanes);
    }
    static void store(float* p, Lanes x) { vst1q_f32(p, x); }
    static void store(float* p, Lanes x, Mask n) {
        float lanes[4];
        vst1q_f32(lanes, x);
        std::memcpy(p, lanes, n * sizeof(float));
    }
    static Lanes zero() { return vdupq_n_f32(0.0f); }
    static Lanes set(float x) { return vdupq_n_f32(x); }
    static Lanes add(Lanes x, Lanes y) { return vaddq_f32(x, y); }
    static Lanes sub(Lanes x, Lanes y) { return vsubq_f32(x, y); }
    static Lanes mul(Lanes x, Lanes y) { return vmulq_f32(x, y); }
    static Lanes fma(Lanes x, Lanes y, Lanes z) { return vfmaq_f32(z, x, y); }
    static Lanes max(Lanes x, Lanes y) { return vbslq_f32(vcgtq_f32(x, y), x, y); }
    static Lanes min(Lanes x, Lanes y) { return vbslq_f32(vcltq_f32(x, y), x, y); }
    static Lanes equal(Lanes x, Lanes y, Lanes yes, Lanes no) {
        return vbslq_f32(vceqq_f32(x, y), yes, no);
    }
    static Lanes at_least(Lanes x, Lanes y, Lanes yes, Lanes no) {
        return vbslq_f32(vcgeq_f32(x, y), yes, no);
    }
    static Lanes signs(const unsigned char* bits, std::size_t q) {
        std::uint32_t word;
        std::memcpy(&word, bits, sizeof word);
        // The lane's bit goes where the sign of a float is; there, 1 means minus.
        const int top = static_cast<int>(31 - 4 * q);
        const int32x4_t shift = {top, top - 1, top - 2, top - 3};
        const uint32x4_t sign = vshlq_u32(vdupq_n_u32(~word), shift);
        return vbslq_f32(vdupq_n_u32(0x80000000u), vreinterpretq_f32_u32(sign), set(1.0f));
    }
};

}  // namespace
}  // namespace bitgrove
