// How many bits of a patch and a filter differ, in five instructions for two words of 32 bits where
// XOR, count and add would be six.
//
// A full adder takes two words of differing bits and the sum bits left over from before, leaves new
// sum bits, and gives carries, which count two each:
//
//     carry = odd ? not even : before
//
// where `odd` and `even` are the sums with the first word and with both. Sums are linear: each is
// the patch's own sum XOR the filter's, which are known before they meet. To save the `not`, every
// other `even` is kept inverted, from the first on, and every other carry comes out inverted.
#include <arm_neon.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../parts.hpp"
#include "bitgrove/binary_dots.hpp"

namespace bitgrove::binary_dots {
namespace {

// Filters: [block of 16][word][odd | even sums of 16 filters], begun anew with every span.
constexpr std::size_t kBlock = 16;
constexpr std::size_t kVectors = kBlock / 4;

struct Sums {
    std::uint32_t odd, even;
};

inline Sums next(Sums before, std::uint64_t word) {
    const std::uint32_t odd = before.even ^ static_cast<std::uint32_t>(word);
    return {odd, odd ^ static_cast<std::uint32_t>(word >> 32)};
}

struct Level {
    static constexpr std::size_t most_pixels = 2;
    using Element = std::uint64_t;
    static constexpr std::size_t step = 1;
    static constexpr std::size_t span = 30;  // even, and 8 * 30 fits in a byte

    struct Counts {
        uint32x4_t even[kVectors];
        uint8x16_t carries[kVectors];
    };

    // One word of one pixel.
    template <bool INVERTED>
    static void add(Sums patch, const std::uint32_t* filters, Counts& counts) {
        const uint32x4_t odd = vdupq_n_u32(patch.odd), even = vdupq_n_u32(patch.even);
        for (std::size_t v = 0; v < kVectors; ++v) {
            const uint32x4_t now = veorq_u32(vld1q_u32(filters + kBlock + 4 * v), even);
            const uint8x16_t ones = vcntq_u8(vreinterpretq_u8_u32(
                vbslq_u32(veorq_u32(vld1q_u32(filters + 4 * v), odd), now, counts.even[v])));
            counts.carries[v] =
                INVERTED ? vsubq_u8(counts.carries[v], ones) : vaddq_u8(counts.carries[v], ones);
            counts.even[v] = now;
        }
    }

    static uint32x4_t total(uint32x4_t even, uint8x16_t carries, std::size_t words) {
        if (words % 2 == 1) even = vmvnq_u32(even);
        carries = vaddq_u8(carries, vdupq_n_u8(static_cast<std::uint8_t>(words / 2 * 8)));
        const uint16x8_t twos = vpaddlq_u8(carries);
        const uint16x8_t ones = vpaddlq_u8(vcntq_u8(vreinterpretq_u8_u32(even)));
        return vpaddlq_u16(vaddq_u16(vaddq_u16(twos, twos), ones));
    }

    template <std::size_t PIXELS>
    static void part(const BinaryDots& d, const Part<std::uint64_t>& part) {
        Sums patch[span][PIXELS];
        for (std::size_t p = 0; p < PIXELS; ++p) {
            const std::uint64_t* x = part.x + static_cast<std::ptrdiff_t>(p) * d.pixel_stride;
            Sums sums{0, 0};
            for (std::size_t k = 0; k < part.steps; ++k) {
                patch[k][p] = sums = next(sums, x[part.offsets[k]]);
            }
        }
        for (std::size_t o = 0; o < d.outs; o += kBlock) {
            const auto* filters = static_cast<const std::uint32_t*>(d.weight) +
                                  2 * (o * d.words + kBlock * part.from);
            Counts counts[PIXELS];
            for (std::size_t p = 0; p < PIXELS; ++p) {
                for (std::size_t v = 0; v < kVectors; ++v) {
                    counts[p].even[v] = vdupq_n_u32(0);
                    counts[p].carries[v] = vdupq_n_u8(0);
                }
            }
            std::size_t k = 0;
            for (; k + 2 <= part.steps; k += 2, filters += 4 * kBlock) {
                for (std::size_t p = 0; p < PIXELS; ++p) {
                    add<false>(patch[k][p], filters, counts[p]);
                }
                for (std::size_t p = 0; p < PIXELS; ++p) {
                    add<true>(patch[k + 1][p], filters + 2 * kBlock, counts[p]);
                }
            }
            if (k < part.steps) {
                for (std::size_t p = 0; p < PIXELS; ++p) {
                    add<false>(patch[k][p], filters, counts[p]);
                }
            }
            for (std::size_t p = 0; p < PIXELS; ++p) {
                float differ[kBlock];
                for (std::size_t v = 0; v < kVectors; ++v) {
                    vst1q_f32(
                        differ + 4 * v,
                        vcvtq_f32_u32(total(counts[p].even[v], counts[p].carries[v], part.steps)));
                }
                float* to = part.out + p * d.out_stride + o;
                const auto length = static_cast<float>(d.length);
                const std::size_t n = std::min(kBlock, d.outs - o);
                for (std::size_t i = 0; i < n; ++i) {
                    to[i] = (part.from == 0 ? length : to[i]) - 2 * differ[i];
                }
            }
        }
    }
};

std::size_t block_bytes(std::size_t words) {
    return words * kBlock * sizeof(std::uint64_t);
}

void pack(const std::uint64_t* rows, std::size_t outs, std::size_t words, void* to) {
    auto* filters = static_cast<std::uint32_t*>(to);
    for (std::size_t o = 0; o < outs; o += kBlock, filters += 2 * kBlock * words) {
        for (std::size_t i = 0; i < kBlock; ++i) {
            Sums sums{0, 0};
            for (std::size_t k = 0; k < words; ++k) {
                const std::size_t at = k % Level::span;
                if (at == 0) sums = {0, 0};
                sums = next(sums, o + i < outs ? rows[(o + i) * words + k] : 0);
                filters[2 * kBlock * k + i] = sums.odd;
                filters[2 * kBlock * k + kBlock + i] = at % 2 == 0 ? ~sums.even : sums.even;
            }
        }
    }
}

void run(const BinaryDots& d) {
    walk<Level>(d, d.words);
}

}  // namespace

const BinaryDotsKernels neon = {kBlock, block_bytes, pack, run};

}  // namespace bitgrove::binary_dots
