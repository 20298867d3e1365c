// Characters to and from UTF-8.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace bitgrove::utf8 {

constexpr std::uint32_t no_character = ~std::uint32_t{0};

constexpr bool is_surrogate(std::uint32_t c) {
    return c >= 0xd800 && c < 0xe000;
}

// The character that starts at text[at], which then moves past it; no_character, and `at` stays, if
// the bytes are none: cut short, overlong, past U+10FFFF or a surrogate.
inline std::uint32_t decode(std::string_view text, std::size_t& at, bool surrogates = false) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(at);
    if (first < 0x80) return byte(at++);
    const std::size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || text.size() - at <= more) return no_character;
    std::uint32_t c = first & (0x3fu >> more);
    for (std::size_t i = 1; i <= more; ++i) {
        if ((byte(at + i) & 0xc0u) != 0x80u) return no_character;
        c = c << 6 | (byte(at + i) & 0x3fu);
    }
    const bool overlong = (more == 2 && c < 0x800) || (more == 3 && c < 0x10000);
    if (overlong || c > 0x10ffff || (is_surrogate(c) && !surrogates)) return no_character;
    at += more + 1;
    return c;
}

inline void append(std::string& out, std::uint32_t c) {
    if (c < 0x80) {
        out += static_cast<char>(c);
        return;
    }
    constexpr std::uint32_t lead[] = {0, 0xc0, 0xe0, 0xf0};
    const unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    out += static_cast<char>(lead[more] | c >> 6 * more);
    for (unsigned i = more; i-- > 0;) out += static_cast<char>(0x80u | (c >> 6 * i & 0x3fu));
}

}  // namespace bitgrove::utf8
