// A table of 256 bytes as four of 64: a code of another part finds nothing there, and keeps what it
// has found.
#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#include "bitgrove/block_scan.hpp"

namespace bitgrove::block_scan {
namespace {

constexpr std::size_t kVectors = kBlockGroup / 16;

}  // namespace

std::uint32_t* neon(const BlockScan& s) {
    const std::size_t parts = (s.values + 63) / 64;
    std::uint32_t* end = s.end;
    for (std::size_t g = 0; g < s.count; ++g) {
        uint16x8_t low[kVectors], high[kVectors];  // sums of rows 0 to 7 and 8 to 15 of a vector
        for (std::size_t i = 0; i < kVectors; ++i) low[i] = high[i] = vdupq_n_u16(0);
        for (std::size_t m = 0; m < s.blocks; ++m) {
            const std::uint8_t* at = s.groups + (g * s.blocks + m) * kBlockGroup;
            uint8x16_t found[kVectors];
            for (std::size_t i = 0; i < kVectors; ++i) found[i] = vdupq_n_u8(0);
            for (std::size_t p = 0; p < parts; ++p) {
                const uint8x16x4_t table = vld1q_u8_x4(s.table + m * 256 + 64 * p);
                const uint8x16_t from = vdupq_n_u8(static_cast<std::uint8_t>(64 * p));
                for (std::size_t i = 0; i < kVectors; ++i) {
                    const uint8x16_t place = vsubq_u8(vld1q_u8(at + 16 * i), from);
                    found[i] = vqtbx4q_u8(found[i], table, place);
                }
            }
            for (std::size_t i = 0; i < kVectors; ++i) {
                low[i] = vaddw_u8(low[i], vget_low_u8(found[i]));
                high[i] = vaddw_u8(high[i], vget_high_u8(found[i]));
            }
        }
        for (std::size_t i = 0; i < kVectors; ++i) {
            std::uint16_t sums[16];
            vst1q_u16(sums, low[i]);
            vst1q_u16(sums + 8, high[i]);
            for (std::size_t j = 0; j < 16; ++j) {
                *end = static_cast<std::uint32_t>(s.first + g * kBlockGroup + 16 * i + j);
                end += sums[j] >= s.least;
            }
        }
    }
    return end;
}

}  // namespace bitgrove::block_scan
