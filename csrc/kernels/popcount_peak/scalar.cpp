#include "bitgrove/popcount_peak.hpp"

namespace bitgrove::popcount_peak {

double scalar(std::size_t rounds, std::uint64_t* kept) {
    std::uint64_t sums[4] = {}, x = *kept;
    for (std::size_t i = 0; i < rounds; ++i) {
        for (std::uint64_t& sum : sums) {
            asm volatile("" : "+r"(x));
            sum += static_cast<std::uint64_t>(__builtin_popcountll(x ^ 0x0123456789abcdefull));
        }
    }
    *kept = sums[0] + sums[1] + sums[2] + sums[3];
    return static_cast<double>(rounds) * 4 * 64;
}

}  // namespace bitgrove::popcount_peak
