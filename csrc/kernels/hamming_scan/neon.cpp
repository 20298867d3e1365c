#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace bitgrove::hamming_scan {
namespace {

struct Words {
    using Lanes = uint64x2_t;
    static constexpr std::size_t width = 2, registers = 16;

    static Lanes load(const std::uint64_t* p) { return vld1q_u64(p); }
    static void store(std::uint64_t* p, Lanes x) { vst1q_u64(p, x); }
    static Lanes set(std::uint64_t x) { return vdupq_n_u64(x); }
    static Lanes limit(std::uint32_t x) { return set(x); }
    // Counts of the bytes, at most 8 a word.
    static Lanes count(Lanes x, Lanes y) {
        return vreinterpretq_u64_u8(vcntq_u8(vreinterpretq_u8_u64(veorq_u64(x, y))));
    }
    static Lanes add(Lanes x, Lanes y) {
        return vreinterpretq_u64_u8(vaddq_u8(vreinterpretq_u8_u64(x), vreinterpretq_u8_u64(y)));
    }
    static Lanes total(Lanes x) {
        return vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(vreinterpretq_u8_u64(x))));
    }
    static Lanes plus(Lanes x, Lanes y) { return vaddq_u64(x, y); }
    // Totals and limits are below 2^32, so the lower halves of the lanes say all.
    static Lanes least(Lanes x, Lanes y) {
        return vreinterpretq_u64_u32(vminq_u32(vreinterpretq_u32_u64(x), vreinterpretq_u32_u64(y)));
    }
    static bool any(Lanes x, Lanes limit) {
        const uint64x2_t near = vcleq_u64(x, limit);
        return (vgetq_lane_u64(near, 0) | vgetq_lane_u64(near, 1)) != 0;
    }

    template <std::size_t W>
    static void turn(const std::uint8_t* rows, Lanes (&out)[W]) {
        const auto pair = [rows](std::size_t i) {
            return vreinterpretq_u64_u8(vld1q_u8(rows + i));
        };
        if constexpr (W == 1) out[0] = pair(0);
        if constexpr (W == 2) {
            out[0] = vzip1q_u64(pair(0), pair(16));
            out[1] = vzip2q_u64(pair(0), pair(16));
        }
        if constexpr (W == 4) {
            out[0] = vzip1q_u64(pair(0), pair(32));
            out[1] = vzip2q_u64(pair(0), pair(32));
            out[2] = vzip1q_u64(pair(16), pair(48));
            out[3] = vzip2q_u64(pair(16), pair(48));
        }
    }

    template <std::size_t W>
    static constexpr std::size_t order[2] = {0, 1};
};

}  // namespace
}  // namespace bitgrove::hamming_scan

#include "rows.hpp"

namespace bitgrove::hamming_scan {

void neon(const HammingScan& s) {
    scan(s);
}

}  // namespace bitgrove::hamming_scan
