#include <arm_neon.h>

#include "bitgrove/popcount_peak.hpp"

namespace bitgrove::popcount_peak {

double neon(std::size_t rounds, std::uint64_t* kept) {
    constexpr int chains = 8;
    uint8x16_t sums[chains];
    for (auto& sum : sums) sum = vdupq_n_u8(0);
    uint8x16_t x = vreinterpretq_u8_u64(vdupq_n_u64(*kept));
    const uint8x16_t y = vdupq_n_u8(0x5b);
    for (std::size_t i = 0; i < rounds; ++i) {
        for (auto& sum : sums) {
            asm volatile("" : "+w"(x));
            sum = vaddq_u8(sum, vcntq_u8(veorq_u8(x, y)));
        }
    }
    uint8x16_t all = sums[0];
    for (int i = 1; i < chains; ++i) all = vaddq_u8(all, sums[i]);
    *kept = vaddlvq_u8(all);
    return static_cast<double>(rounds) * chains * 128;
}

}  // namespace bitgrove::popcount_peak
