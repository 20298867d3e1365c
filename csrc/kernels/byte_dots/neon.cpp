#include <arm_neon.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../parts.hpp"
#include "bitgrove/byte_dots.hpp"
namespace bitgrove::byte_dots {
namespace {
constexpr std::size_t quantise_width = 4;
}
}  // namespace bitgrove::byte_dots

#include "quantise.hpp"

namespace bitgrove::byte_dots {
namespace {

// Filters, widened to 16 bits: [block of 16][weight][filter].
constexpr std::size_t kBlock = 16;

struct Sums {
    int32x4_t of[kBlock / 4];
};

template <int K>
inline void add(int16x4_t patch, const std::int16_t* filters, Sums& sums) {
    for (std::size_t half = 0; half < 2; ++half) {
        const int16x8_t weights = vld1q_s16(filters + kBlock * K + 8 * half);
        int32x4_t* sum = sums.of + 2 * half;
        sum[0] = vmlal_lane_s16(sum[0], vget_low_s16(weights), patch, K);
        sum[1] = vmlal_high_lane_s16(sum[1], weights, patch, K);
    }
}

struct Level {
    using Element = std::uint8_t;
    static constexpr std::size_t most_pixels = 4;
    static constexpr std::size_t step = 4;
    static constexpr std::size_t span = 256;

    template <std::size_t PIXELS>
    static void part(const ByteDots& d, const Part<Element>& part) {
        for (std::size_t o = 0; o < d.outs; o += kBlock) {
            const auto* filters =
                static_cast<const std::int16_t*>(d.weight) + o * d.size + kBlock * step * part.from;
            const std::size_t n = std::min(kBlock, d.outs - o);
            Sums sums[PIXELS] = {};
            for (std::size_t p = 0; p < PIXELS; ++p) {
                const void* from = part.from == 0 ? static_cast<const void*>(d.offset + o)
                                                  : part.out + p * d.out_stride + o;
                std::memcpy(&sums[p], from, n * sizeof(float));
            }
            for (std::size_t k = 0; k < part.steps; ++k, filters += kBlock * step) {
                const std::uint8_t* x = part.x + part.offsets[k];
                for (std::size_t p = 0; p < PIXELS; ++p, x += d.pixel_stride) {
                    std::uint32_t bytes;
                    std::memcpy(&bytes, x, sizeof bytes);
                    const int16x4_t patch =
                        vget_low_s16(vreinterpretq_s16_u16(vmovl_u8(vcreate_u8(bytes))));
                    add<0>(patch, filters, sums[p]);
                    add<1>(patch, filters, sums[p]);
                    add<2>(patch, filters, sums[p]);
                    add<3>(patch, filters, sums[p]);
                }
            }
            const bool last = step * (part.from + part.steps) == d.size;
            for (std::size_t p = 0; p < PIXELS; ++p) {
                float* to = part.out + p * d.out_stride + o;
                std::int32_t kept[kBlock];
                std::memcpy(kept, &sums[p], sizeof kept);
                if (!last) {
                    std::memcpy(to, kept, n * sizeof(float));
                    continue;
                }
                for (std::size_t i = 0; i < n; ++i) {
                    const float scaled = d.scale[o + i] * static_cast<float>(kept[i]);
                    to[i] = scaled + d.bias[o + i];
                }
            }
        }
    }
};

std::size_t block_bytes(std::size_t size) {
    return size * kBlock * sizeof(std::int16_t);
}

void pack(const std::int8_t* rows, std::size_t outs, std::size_t size, void* to) {
    auto* filters = static_cast<std::int16_t*>(to);
    for (std::size_t o = 0; o < outs; o += kBlock) {
        for (std::size_t k = 0; k < size; ++k) {
            for (std::size_t i = o; i < o + kBlock; ++i) {
                *filters++ = i < outs ? rows[i * size + k] : 0;
            }
        }
    }
}

void run(const ByteDots& d) {
    walk<Level>(d, d.size / Level::step);
}

}  // namespace

const ByteDotsKernels neon = {kBlock, block_bytes, pack, run, quantise};

}  // namespace bitgrove::byte_dots
