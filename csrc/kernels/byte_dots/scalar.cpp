#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "bitgrove/byte_dots.hpp"
namespace bitgrove::byte_dots {
namespace {
constexpr std::size_t quantise_width = 4;
}
}  // namespace bitgrove::byte_dots

#include "quantise.hpp"

namespace bitgrove::byte_dots {
namespace {

// Filters: [block of 8][weight][filter].
constexpr std::size_t kBlock = 8;

std::size_t block_bytes(std::size_t size) {
    return (size * kBlock + 63) / 64 * 64;
}

void pack(const std::int8_t* rows, std::size_t outs, std::size_t size, void* to) {
    auto* block = static_cast<std::int8_t*>(to);
    for (std::size_t o = 0; o < outs; o += kBlock, block += block_bytes(size)) {
        std::fill_n(block, block_bytes(size), std::int8_t{0});
        for (std::size_t i = 0; i < std::min(kBlock, outs - o); ++i) {
            for (std::size_t k = 0; k < size; ++k) {
                block[kBlock * k + i] = rows[(o + i) * size + k];
            }
        }
    }
}

void run(const ByteDots& d) {
    for (std::size_t p = 0; p < d.pixels; ++p) {
        const std::uint8_t* x = d.x + static_cast<std::ptrdiff_t>(p) * d.pixel_stride;
        for (std::size_t o = 0; o < d.outs; o += kBlock) {
            const auto* weight =
                static_cast<const std::int8_t*>(d.weight) + o / kBlock * block_bytes(d.size);
            std::int32_t sums[kBlock] = {};
            for (std::size_t r = 0; r < d.run_count; ++r) {
                const std::uint8_t* byte = x + d.runs[r].offset;
                for (std::size_t k = 0; k < d.runs[r].length; ++k, weight += kBlock) {
                    for (std::size_t i = 0; i < kBlock; ++i) sums[i] += byte[k] * weight[i];
                }
            }
            float* out = d.out + p * d.out_stride + o;
            for (std::size_t i = 0; i < std::min(kBlock, d.outs - o); ++i) {
                const float scaled = d.scale[o + i] * static_cast<float>(sums[i] + d.offset[o + i]);
                out[i] = scaled + d.bias[o + i];
            }
        }
    }
}

}  // namespace

const ByteDotsKernels scalar = {kBlock, block_bytes, pack, run, quantise};

}  // namespace bitgrove::byte_dots
