// Ferns without vectors: addresses lie fern by fern, a byte for each position of whole sixty-fours.
// The levels use parts of it where they have nothing better.
//
// No include guard on purpose: the including file has it to itself.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bitgrove/fern_sums.hpp"

namespace bitgrove::fern_sums {
namespace {

inline std::size_t words(std::size_t bits) {
    return (bits + 63) / 64;
}

inline std::size_t plain_address_bytes(std::size_t count, std::size_t positions) {
    return count * words(positions) * 64;
}

inline void plain_addresses(const std::uint64_t* const* planes, std::size_t count,
                            std::size_t depth, std::size_t positions, std::uint8_t* out) {
    for (std::size_t f = 0; f < count; ++f, planes += depth) {
        for (std::size_t w = 0; w < words(positions); ++w, out += 64) {
            std::memset(out, 0, 64);
            for (std::size_t k = 0; k < depth; ++k) {
                if (!planes[k]) continue;
                const std::uint64_t word = planes[k][w];
                for (std::size_t i = 0; i < 64; ++i) {
                    out[i] = static_cast<std::uint8_t>(out[i] | (word >> i & 1) << k);
                }
            }
        }
    }
}

// The smallest table fills a byte shuffle.
inline std::size_t plain_table_bytes(std::size_t count, std::size_t depth) {
    return count << (depth < 4 ? 4 : depth);
}

inline void plain_pack_table(const std::int8_t* table, std::size_t count, std::size_t depth,
                             std::int8_t* out) {
    const std::size_t from = std::size_t{1} << depth, to = depth < 4 ? 16 : from;
    for (std::size_t f = 0; f < count; ++f) {
        for (std::size_t i = 0; i < to; ++i) out[f * to + i] = table[f * from + i % from];
    }
}

inline void plain_compare(const FernCompare& job) {
    const FernSums& s = job.sums;
    const std::size_t row = words(s.positions) * 64, entries = plain_table_bytes(1, s.depth);
    for (std::size_t w = 0; w < words(s.positions); ++w) {
        const std::size_t left = s.positions - w * 64, n = left < 64 ? left : 64;
        for (std::size_t k = 0; k < job.tests; ++k) job.out[k * job.out_stride + w] = 0;
        for (std::size_t i = 0; i < n; ++i) {
            std::int32_t sum = 0;
            for (std::size_t f = 0; f < s.ferns; ++f) {
                sum += job.table[f * entries + s.addresses[f * row + w * 64 + i]];
            }
            for (std::size_t k = 0; k < job.tests; ++k) {
                const std::uint64_t bit = sum >= job.thresholds[k];
                job.out[k * job.out_stride + w] |= bit << i;
            }
        }
    }
}

inline void plain_above(const float* x, std::size_t step, std::size_t count, float threshold,
                        std::uint64_t* out) {
    for (std::size_t w = 0; w < words(count); ++w) {
        std::uint64_t bits = 0;
        const std::size_t left = count - w * 64, n = left < 64 ? left : 64;
        for (std::size_t i = 0; i < n; ++i, x += step) {
            bits |= static_cast<std::uint64_t>(*x >= threshold) << i;
        }
        out[w] = bits;
    }
}

}  // namespace
}  // namespace bitgrove::fern_sums
