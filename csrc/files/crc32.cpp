#include "crc32.hpp"

#include <array>

namespace bitgrove::files {
namespace {

// table[k][b]: what byte b contributes with k more bytes behind it, so that eight bytes are taken
// at once.
constexpr auto tables = [] {
    std::array<std::array<std::uint32_t, 256>, 8> table{};
    for (std::uint32_t b = 0; b < 256; ++b) {
        std::uint32_t c = b;
        for (int bit = 0; bit < 8; ++bit) c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
        table[0][b] = c;
    }
    for (std::size_t k = 1; k < 8; ++k) {
        for (std::size_t b = 0; b < 256; ++b) {
            const std::uint32_t c = table[k - 1][b];
            table[k][b] = c >> 8 ^ table[0][c & 0xff];
        }
    }
    return table;
}();

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes) {
    const auto at = [&](std::size_t i) { return std::to_integer<std::uint32_t>(bytes[i]); };
    std::uint32_t c = ~std::uint32_t{0};
    std::size_t i = 0;
    for (; i + 8 <= bytes.size(); i += 8) {
        c ^= at(i) | at(i + 1) << 8 | at(i + 2) << 16 | at(i + 3) << 24;
        c = tables[7][c & 0xff] ^ tables[6][c >> 8 & 0xff] ^ tables[5][c >> 16 & 0xff] ^
            tables[4][c >> 24] ^ tables[3][at(i + 4)] ^ tables[2][at(i + 5)] ^
            tables[1][at(i + 6)] ^ tables[0][at(i + 7)];
    }
    for (; i < bytes.size(); ++i) c = c >> 8 ^ tables[0][(c ^ at(i)) & 0xff];
    return ~c;
}

}  // namespace bitgrove::files
