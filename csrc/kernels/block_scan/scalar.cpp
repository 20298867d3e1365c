#include "bitgrove/block_scan.hpp"

namespace bitgrove::block_scan {

std::uint32_t* scalar(const BlockScan& s) {
    std::uint32_t* end = s.end;
    for (std::size_t g = 0; g < s.count; ++g) {
        std::uint32_t sums[kBlockGroup] = {};
        for (std::size_t m = 0; m < s.blocks; ++m) {
            const std::uint8_t* codes = s.groups + (g * s.blocks + m) * kBlockGroup;
            for (std::size_t i = 0; i < kBlockGroup; ++i) sums[i] += s.table[m * 256 + codes[i]];
        }
        for (std::size_t i = 0; i < kBlockGroup; ++i) {
            *end = static_cast<std::uint32_t>(s.first + g * kBlockGroup + i);
            end += sums[i] >= s.least;
        }
    }
    return end;
}

}  // namespace bitgrove::block_scan
