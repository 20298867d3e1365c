// A code cut into stretches of nearly equal length, each of them a number.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bitgrove::graph {

inline constexpr std::size_t kMaxSubstring = 64;  // bits

// Bits from .. from + width of a code, in the order of the code; the first is the highest.
struct Substring {
    std::size_t from, width;

    // Reads the bytes that hold the bits, and no others.
    std::uint64_t of(const std::uint8_t* row) const {
        const std::size_t end = from + width;
        std::uint64_t value = row[from / 8] & (0xffu >> from % 8);
        std::size_t byte = from / 8 + 1;
        for (; byte < end / 8; ++byte) value = value << 8 | row[byte];
        if (byte * 8 < end) {  // part of a last byte
            return value << end % 8 | row[byte] >> (8 - end % 8);
        }
        return value >> (byte * 8 - end);  // all in the byte before, or up to its end
    }
};

// The first ones are a bit longer where the parts cannot be equal.
inline std::vector<Substring> cut(std::size_t bits, std::size_t parts) {
    std::vector<Substring> all;
    for (std::size_t i = 0, from = 0; i < parts; ++i) {
        const std::size_t width = bits / parts + (i < bits % parts);
        all.push_back({from, width});
        from += width;
    }
    return all;
}

inline std::size_t fewest_parts(std::size_t bits) {
    return (bits + kMaxSubstring - 1) / kMaxSubstring;
}

// As many as make a substring about log2(rows) bits long, so that a bucket holds about one row.
inline std::size_t best_parts(std::size_t bits, std::size_t rows) {
    const double length =
        std::max(1.0, std::log2(static_cast<double>(std::max<std::size_t>(rows, 2))));
    const auto parts = static_cast<std::size_t>(std::lround(static_cast<double>(bits) / length));
    return std::clamp(parts, fewest_parts(bits), bits);
}

}  // namespace bitgrove::graph
