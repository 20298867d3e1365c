#include <arm_neon.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace bitgrove::hamming_counts {
namespace {

struct Words {
    using Lanes = uint64x2_t;
    static constexpr std::size_t width = 2;

    static Lanes load(const std::uint64_t* p) { return vld1q_u64(p); }
    static void store(std::uint64_t* p, Lanes x) { vst1q_u64(p, x); }
    static Lanes set(std::uint64_t x) { return vdupq_n_u64(x); }
    static Lanes both(Lanes x, Lanes y) { return vandq_u64(x, y); }
    static Lanes differ(Lanes x, Lanes y) { return veorq_u64(x, y); }
    static Lanes without(Lanes x, Lanes y) { return vbicq_u64(x, y); }
    static Lanes odd(Lanes x, Lanes y, Lanes z) { return differ(differ(x, y), z); }
    static Lanes two(Lanes x, Lanes y, Lanes z) { return vbslq_u64(differ(x, y), z, x); }
    static bool any(Lanes x) { return (vgetq_lane_u64(x, 0) | vgetq_lane_u64(x, 1)) != 0; }
    static Lanes count(Lanes x) {
        return vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(vcntq_u8(vreinterpretq_u8_u64(x)))));
    }
    static Lanes plus(Lanes x, Lanes y) { return vaddq_u64(x, y); }
    static std::uint64_t total(Lanes x) { return vgetq_lane_u64(x, 0) + vgetq_lane_u64(x, 1); }
};

}  // namespace
}  // namespace bitgrove::hamming_counts

#include "slices.hpp"

namespace bitgrove::hamming_counts {

void neon(const HammingCounts& c) {
    count(c);
}

}  // namespace bitgrove::hamming_counts
