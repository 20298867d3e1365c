// Filters as a file holds them, np.packbits order, turned into words, least significant bit first.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "value.hpp"

namespace bitgrove::runtime {

inline std::uint64_t reversed(std::uint8_t byte) {
    std::uint64_t out = 0;
    for (int i = 0; i < 8; ++i) out |= static_cast<std::uint64_t>(byte >> i & 1) << (7 - i);
    return out;
}

// rows * ceil(bits / 8) bytes to rows * words_for(bits) words.
inline std::vector<std::uint64_t> words_from_bytes(std::span<const std::uint8_t> packed,
                                                   std::size_t rows, std::size_t bits) {
    const std::size_t bytes = (bits + 7) / 8, words = words_for(bits);
    std::vector<std::uint64_t> out(rows * words, 0);
    for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t b = 0; b < bytes; ++b) {
            out[r * words + b / 8] |= reversed(packed[r * bytes + b]) << (b % 8 * 8);
        }
    }
    return out;
}

inline void require_packed(std::span<const std::uint8_t> weight, std::size_t rows,
                           std::size_t bits) {
    const std::size_t bytes = (bits + 7) / 8;
    require(weight.size() == rows * bytes,
            "weight must have shape (out, kernel..., ceil(in / groups / 8))");
    if (bits % 8 == 0) return;
    for (std::size_t at = bytes - 1; at < weight.size(); at += bytes) {
        require((weight[at] & (0xff >> bits % 8)) == 0, "padding bits must be zero");
    }
}

}  // namespace bitgrove::runtime
