#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bitgrove/binary_dots.hpp"

namespace bitgrove::binary_dots {
namespace {

// Filters: [block of 8][word][filter].
constexpr std::size_t kBlock = 8;

std::size_t block_bytes(std::size_t words) {
    return words * kBlock * sizeof(std::uint64_t);
}

void pack(const std::uint64_t* rows, std::size_t outs, std::size_t words, void* to) {
    auto* word = static_cast<std::uint64_t*>(to);
    for (std::size_t o = 0; o < outs; o += kBlock) {
        for (std::size_t k = 0; k < words; ++k) {
            for (std::size_t i = o; i < o + kBlock; ++i) {
                *word++ = i < outs ? rows[i * words + k] : 0;
            }
        }
    }
}

void run(const BinaryDots& d) {
    for (std::size_t p = 0; p < d.pixels; ++p) {
        const std::uint64_t* x = d.x + static_cast<std::ptrdiff_t>(p) * d.pixel_stride;
        const auto* weight = static_cast<const std::uint64_t*>(d.weight);
        for (std::size_t o = 0; o < d.outs; o += kBlock) {
            std::int32_t counts[kBlock] = {};
            for (std::size_t r = 0; r < d.run_count; ++r) {
                const std::uint64_t* word = x + d.runs[r].offset;
                for (std::size_t k = 0; k < d.runs[r].length; ++k, weight += kBlock) {
                    for (std::size_t i = 0; i < kBlock; ++i) {
                        counts[i] += std::popcount(word[k] ^ weight[i]);
                    }
                }
            }
            float* out = d.out + p * d.out_stride + o;
            for (std::size_t i = 0; i < kBlock && o + i < d.outs; ++i) {
                out[i] = static_cast<float>(d.length - 2 * counts[i]);
            }
        }
    }
}

}  // namespace

const BinaryDotsKernels scalar = {kBlock, block_bytes, pack, run};

}  // namespace bitgrove::binary_dots
