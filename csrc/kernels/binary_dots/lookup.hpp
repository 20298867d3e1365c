// Counts the bits that differ by look-up, for CPUs that do not count bits in vectors, for two
// pixels at once: half a byte of each of two patches chooses a table of 16 bytes, half a byte of a
// filter an entry in it, and a byte shuffle does so for as many filters as a vector has bytes.
//
//     table[b][a][w] = popcount(a XOR w) + 16 * popcount(b XOR w)
//
// Three entries add up to at most 12 in either half of a byte. The bytes of neighbouring filters
// make a short: in its lower byte the sums (a, b) of three entries, in its upper byte (c, d). Then
//
//     x += a + 16b, y += c + 16d             of the sum itself
//     z += b + 16c, u += d                   of the short shifted right by 4
//
// in bytes, modulo 256. While all counts are below 256, the last is the count d; it leaves c of y,
// that b of z, and that a of x: a sum for both pixels, a shift and a sum, and nothing is masked.
//
// `Vector` names the width and its instructions:
//
//     struct Vector { using Bytes; using Shorts; static constexpr std::size_t width;
//                     table(entries): one table in all lanes; pick(table, nibbles);
//                     store(counts, outs, start, add, to):
//                         to[i] = (add ? to[i] : start) - 2 * counts[i], i < outs }
//
// No include guard on purpose: the namespace is the including file's own.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../parts.hpp"
#include "bitgrove/binary_dots.hpp"

namespace bitgrove::binary_dots {
namespace {

// Threes of nibbles whose counts fit in a byte: 21 * 3 * 4 = 252.
constexpr std::size_t kThreesFit = 21;

// The tables of two pixels, then those of one alone.
constexpr std::size_t kPairs = 16 * 16;

struct Tables {
    alignas(64) std::uint8_t entries[kPairs + 16][16];
};

constexpr Tables make_tables() {
    Tables t{};
    for (unsigned a = 0; a < 16; ++a) {
        for (unsigned w = 0; w < 16; ++w) {
            const int count = std::popcount(a ^ w);
            for (unsigned b = 0; b < 16; ++b) {
                t.entries[16 * b + a][w] =
                    static_cast<std::uint8_t>(count + 16 * std::popcount(b ^ w));
            }
            t.entries[kPairs + a][w] = static_cast<std::uint8_t>(count);
        }
    }
    return t;
}

constexpr Tables kTables = make_tables();

// Filters: [block of `width`][nibble of k][`width` bytes], up to a multiple of three nibbles and of
// 64 bytes: what is added is zero. Filter i is at byte 2i, and width/2 + i next to it.
template <typename Vector>
struct Lookup {
    static constexpr std::size_t width = Vector::width;
    static constexpr std::size_t most_pixels = 16;
    using Element = std::uint64_t;
    static constexpr std::size_t step = 1;
    static constexpr std::size_t span = 126;  // counts fit in 16 bits
    static_assert(span % 3 == 0);             // so that a part starts at a three
    using Bytes = typename Vector::Bytes;
    using Shorts = typename Vector::Shorts;

    static std::size_t threes_of(std::size_t words) { return (16 * words + 2) / 3; }

    static std::size_t block_bytes(std::size_t words) {
        return (3 * width * threes_of(words) + 63) / 64 * 64;
    }

    static void pack(const std::uint64_t* rows, std::size_t outs, std::size_t words, void* to) {
        auto* nibbles = static_cast<std::uint8_t*>(to);
        const std::size_t count = block_bytes(words) / width;
        for (std::size_t o = 0; o < outs; o += width) {
            for (std::size_t k = 0; k < count; ++k, nibbles += width) {
                for (std::size_t i = 0; i < width; ++i) {
                    const bool any = o + i < outs && k < 16 * words;
                    const std::uint64_t word = any ? rows[(o + i) * words + k / 16] : 0;
                    nibbles[i % (width / 2) * 2 + i / (width / 2)] = word >> (k % 16 * 4) & 15;
                }
            }
        }
    }

    // Where the tables of two words' nibbles are, in bytes from `first`.
    static void find_tables(std::uint64_t a, std::uint64_t b, std::uint16_t first,
                            std::uint16_t* to) {
        const __m128i bytes = _mm_unpacklo_epi8(_mm_cvtsi64_si128(static_cast<long long>(a)),
                                                _mm_cvtsi64_si128(static_cast<long long>(b)));
        const __m128i mask = _mm_set1_epi8(static_cast<char>(0xf0));
        const __m128i times = _mm_set1_epi16(16 << 8 | 1);
        const __m128i from = _mm_set1_epi16(static_cast<short>(first));
        const __m128i lower =
            _mm_maddubs_epi16(_mm_and_si128(_mm_slli_epi16(bytes, 4), mask), times);
        const __m128i upper = _mm_maddubs_epi16(_mm_and_si128(bytes, mask), times);
        auto* places = reinterpret_cast<__m128i*>(to);
        _mm_store_si128(places, _mm_add_epi16(_mm_unpacklo_epi16(lower, upper), from));
        _mm_store_si128(places + 1, _mm_add_epi16(_mm_unpackhi_epi16(lower, upper), from));
    }

    static Bytes pick(Bytes table, const std::uint8_t* at) {
        Bytes nibbles;
        std::memcpy(&nibbles, at, sizeof nibbles);
        return Vector::pick(table, nibbles);
    }

    static void keep(Shorts even, Shorts odd, bool add, std::uint16_t* to) {
        auto* count = reinterpret_cast<Shorts*>(to);
        if (add) even += count[0], odd += count[1];
        count[0] = even;
        count[1] = odd;
    }

    // Two pixels, or one, by as many vectors of filters.
    template <bool PAIR, std::size_t VECTORS>
    static void tile(const std::uint16_t* places, std::size_t threes, const std::uint8_t* weight,
                     std::size_t block, bool add, std::uint16_t (*counts)[VECTORS * width]) {
        const std::uint8_t* const entries = kTables.entries[0];
        Bytes sum[VECTORS], shifted[VECTORS];
#pragma GCC unroll 4
        for (std::size_t v = 0; v < VECTORS; ++v) sum[v] = shifted[v] = Bytes{};
        do {
            const Bytes first = Vector::table(entries + places[0]);
            const Bytes second = Vector::table(entries + places[1]);
            const Bytes third = Vector::table(entries + places[2]);
#pragma GCC unroll 4
            for (std::size_t v = 0; v < VECTORS; ++v) {
                const std::uint8_t* at = weight + v * block;
                const Bytes three =
                    pick(first, at) + pick(second, at + width) + pick(third, at + 2 * width);
                sum[v] += three;
                if (PAIR)
                    shifted[v] += reinterpret_cast<Bytes>(reinterpret_cast<Shorts>(three) >> 4);
            }
            places += 3;
            weight += 3 * width;
        } while (--threes != 0);
#pragma GCC unroll 4
        for (std::size_t v = 0; v < VECTORS; ++v) {
            const Shorts xy = reinterpret_cast<Shorts>(sum[v]);
            if (PAIR) {
                const Shorts zu = reinterpret_cast<Shorts>(shifted[v]);
                const Shorts d = zu >> 8;
                const Shorts c = ((xy >> 8) - (d << 4)) & 0xff;
                const Shorts b = (zu - (c << 4)) & 0xff;
                const Shorts a = (xy - (b << 4)) & 0xff;
                keep(a, c, add, counts[0] + v * width);
                keep(b, d, add, counts[1] + v * width);
            } else {
                keep(xy & 0xff, xy >> 8, add, counts[0] + v * width);
            }
        }
    }

    // Places of the tables, for two pixels or one. The last ones are those of the zeros added.
    using Places = std::uint16_t[16 * (span + 1)];

    template <std::size_t VECTORS>
    static void blocks(const BinaryDots& d, const Part<std::uint64_t>& part, std::size_t pixels,
                       const Places* places, std::size_t o) {
        const std::size_t block = block_bytes(d.words);
        const auto* weight =
            static_cast<const std::uint8_t*>(d.weight) + o / width * block + 16 * width * part.from;
        alignas(64) std::uint16_t counts[most_pixels][VECTORS * width];
        const std::size_t threes = threes_of(part.steps);
        for (std::size_t k = 0; k < threes; k += kThreesFit, weight += 3 * width * kThreesFit) {
            const std::size_t n = std::min(threes - k, kThreesFit);
            std::size_t p = 0;
            for (; p + 1 < pixels; p += 2) {
                tile<true, VECTORS>(places[p / 2] + 3 * k, n, weight, block, k > 0, counts + p);
            }
            if (p < pixels) {
                tile<false, VECTORS>(places[p / 2] + 3 * k, n, weight, block, k > 0, counts + p);
            }
        }
        const std::size_t outs = std::min(d.outs - o, VECTORS * width);
        for (std::size_t p = 0; p < pixels; ++p) {
            Vector::store(counts[p], outs, static_cast<float>(d.length), part.from > 0,
                          part.out + p * d.out_stride + o);
        }
    }

    static void some(const BinaryDots& d, const Part<std::uint64_t>& part, std::size_t pixels) {
        alignas(64) Places places[(most_pixels + 1) / 2];
        for (std::size_t p = 0; p < pixels; p += 2) {
            const std::uint64_t* x = part.x + static_cast<std::ptrdiff_t>(p) * d.pixel_stride;
            const bool pair = p + 1 < pixels;
            const std::uint16_t first = pair ? 0 : 16 * kPairs;
            std::uint16_t* to = places[p / 2];
            for (std::size_t k = 0; k < part.steps; ++k, to += 16) {
                const std::uint64_t* word = x + part.offsets[k];
                find_tables(word[0], pair ? word[d.pixel_stride] : 0, first, to);
            }
            to[0] = to[1] = first;
        }
        std::size_t o = 0;
        for (; o + 3 * width < d.outs; o += 4 * width) blocks<4>(d, part, pixels, places, o);
        if (o + 2 * width < d.outs) {
            blocks<3>(d, part, pixels, places, o);
        } else if (o + width < d.outs) {
            blocks<2>(d, part, pixels, places, o);
        } else if (o < d.outs) {
            blocks<1>(d, part, pixels, places, o);
        }
    }

    template <std::size_t PIXELS>
    static void part(const BinaryDots& d, const Part<std::uint64_t>& part) {
        some(d, part, PIXELS);
    }

    static void run(const BinaryDots& d) { walk<Lookup>(d, d.words); }
};

}  // namespace
}  // namespace bitgrove::binary_dots
