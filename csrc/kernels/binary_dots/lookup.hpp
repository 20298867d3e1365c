// Counts the bits that differ by look-up, for CPUs that do not count bits in vectors: half a byte
// of a patch chooses a table of 16 bytes, half a byte of a filter an entry in it, and a byte
// shuffle does so for as many filters as a vector has bytes.
//
//     table[a][w] = popcount(a XOR w)
//
// `Vector` names the width and its instructions:
//
//     struct Vector { using Bytes; using Shorts; static constexpr std::size_t width;
//                     table(entries): one table in all lanes; pick(table, nibbles);
//                     low, high(bytes): bytes to 16 bits, the first or last 8 of each 16;
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

// Counts of 4 bits that fit in a byte, as bytes of k: 31 * 2 * 4 = 248.
constexpr std::size_t kBytesFit = 31;

struct Tables {
    alignas(64) std::uint8_t entries[16][16];
};

constexpr Tables make_tables() {
    Tables t{};
    for (unsigned a = 0; a < 16; ++a) {
        for (unsigned w = 0; w < 16; ++w) {
            t.entries[a][w] = static_cast<std::uint8_t>(std::popcount(a ^ w));
        }
    }
    return t;
}

constexpr Tables kTables = make_tables();

// Filters: [block of `width`][byte of k][lower | upper halves of `width` bytes]. The filters are in
// the order that widening undoes.
template <typename Vector>
struct Lookup {
    static constexpr std::size_t width = Vector::width;
    static constexpr std::size_t most_pixels = Vector::most_pixels;
    using Element = std::uint64_t;
    static constexpr std::size_t step = 1;
    static constexpr std::size_t span = 256;  // counts fit in 16 bits
    using Bytes = typename Vector::Bytes;
    using Shorts = typename Vector::Shorts;

    static std::size_t block_bytes(std::size_t words) {
        return words * sizeof(std::uint64_t) * 2 * width;
    }

    static void pack(const std::uint64_t* rows, std::size_t outs, std::size_t words, void* to) {
        auto* half = static_cast<std::uint8_t*>(to);
        for (std::size_t o = 0; o < outs; o += width) {
            for (std::size_t k = 0; k < 8 * words; ++k, half += 2 * width) {
                for (std::size_t i = 0; i < width; ++i) {
                    const std::size_t at = i % (width / 2) / 8 * 16 + i / (width / 2) * 8 + i % 8;
                    const std::uint64_t word = o + i < outs ? rows[(o + i) * words + k / 8] : 0;
                    const auto byte = static_cast<std::uint8_t>(word >> (k % 8 * 8));
                    half[at] = byte & 15;
                    half[width + at] = byte >> 4;
                }
            }
        }
    }

    // Where in the tables a byte's halves are, in bytes: the lower half's place, and the upper's
    // times 256.
    using Places = std::uint16_t[8 * span];

    static void find_places(std::uint64_t word, std::uint16_t* to) {
        const __m128i bytes = _mm_cvtsi64_si128(static_cast<long long>(word));
        const __m128i mask = _mm_set1_epi8(static_cast<char>(0xf0));
        const __m128i lower = _mm_and_si128(_mm_slli_epi16(bytes, 4), mask);
        const __m128i upper = _mm_and_si128(bytes, mask);
        _mm_store_si128(reinterpret_cast<__m128i*>(to), _mm_unpacklo_epi8(lower, upper));
    }

    template <std::size_t PIXELS, std::size_t VECTORS>
    static void tile(const Places* places, std::size_t bytes, const std::uint8_t* weight,
                     std::size_t block, std::uint16_t (*counts)[VECTORS * width]) {
        for (std::size_t from = 0; from < bytes; from += kBytesFit) {
            const std::size_t to = std::min(bytes, from + kBytesFit);
            Bytes sum[PIXELS][VECTORS];
#pragma GCC unroll 16
            for (std::size_t p = 0; p < PIXELS; ++p) {
#pragma GCC unroll 16
                for (std::size_t v = 0; v < VECTORS; ++v) sum[p][v] = Bytes{};
            }
            std::size_t k = from;
            do {
                std::size_t both[PIXELS];
#pragma GCC unroll 16
                for (std::size_t p = 0; p < PIXELS; ++p) both[p] = places[p][k];
#pragma GCC unroll 2
                for (std::size_t h = 0; h < 2; ++h) {
                    Bytes nibbles[VECTORS];
#pragma GCC unroll 16
                    for (std::size_t v = 0; v < VECTORS; ++v) {
                        std::memcpy(&nibbles[v], weight + v * block + h * width, width);
                    }
#pragma GCC unroll 16
                    for (std::size_t p = 0; p < PIXELS; ++p) {
                        const std::size_t place = h == 0 ? both[p] & 0xff : both[p] >> 8;
                        const Bytes table = Vector::table(kTables.entries[0] + place);
#pragma GCC unroll 16
                        for (std::size_t v = 0; v < VECTORS; ++v) {
                            sum[p][v] += Vector::pick(table, nibbles[v]);
                        }
                    }
                }
                weight += 2 * width;
            } while (++k != to);
#pragma GCC unroll 16
            for (std::size_t p = 0; p < PIXELS; ++p) {
#pragma GCC unroll 16
                for (std::size_t v = 0; v < VECTORS; ++v) {
                    Shorts low = Vector::low(sum[p][v]), high = Vector::high(sum[p][v]);
                    Shorts* count = reinterpret_cast<Shorts*>(counts[p] + v * width);
                    if (from > 0) low += count[0], high += count[1];
                    count[0] = low;
                    count[1] = high;
                }
            }
        }
    }

    template <std::size_t PIXELS, std::size_t VECTORS>
    static void blocks(const BinaryDots& d, const Part<std::uint64_t>& part, const Places* places,
                       std::size_t o) {
        const std::size_t block = block_bytes(d.words);
        const auto* weight = static_cast<const std::uint8_t*>(d.weight) + o / width * block +
                             2 * width * sizeof(std::uint64_t) * part.from;
        alignas(64) std::uint16_t counts[PIXELS][VECTORS * width];
        tile<PIXELS, VECTORS>(places, 8 * part.steps, weight, block, counts);
        const std::size_t outs = std::min(d.outs - o, VECTORS * width);
        for (std::size_t p = 0; p < PIXELS; ++p) {
            Vector::store(counts[p], outs, static_cast<float>(d.length), part.from > 0,
                          part.out + p * d.out_stride + o);
        }
    }

    template <std::size_t PIXELS>
    static void part(const BinaryDots& d, const Part<std::uint64_t>& part) {
        alignas(64) Places places[PIXELS];
        for (std::size_t p = 0; p < PIXELS; ++p) {
            const std::uint64_t* x = part.x + static_cast<std::ptrdiff_t>(p) * d.pixel_stride;
            for (std::size_t k = 0; k < part.steps; ++k) {
                find_places(x[part.offsets[k]], places[p] + 8 * k);
            }
        }
        constexpr std::size_t most = Vector::most_vectors;
        std::size_t o = 0;
        for (; o + (most - 1) * width < d.outs; o += most * width) {
            blocks<PIXELS, most>(d, part, places, o);
        }
        for (; o < d.outs; o += width) blocks<PIXELS, 1>(d, part, places, o);
    }

    static void run(const BinaryDots& d) { walk<Lookup>(d, d.words); }
};

}  // namespace
}  // namespace bitgrove::binary_dots
