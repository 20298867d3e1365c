// Cuts a call into parts whose counts fit in registers: a few pixels (in chunks as even as can be:
// 14 are 7 and 7, not 8 and 6), and spans of a filter. What the spans after the first one count is
// taken from what is in `out`.
//
// No include guard on purpose: the namespace is the including file's own.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "bitgrove/binary_dots.hpp"

namespace bitgrove::binary_dots {
namespace {

struct Part {
    const std::uint64_t* x;         // the first pixel
    const std::ptrdiff_t* offsets;  // from a pixel to its words
    std::size_t words;              // how many
    std::size_t from;               // the first of them, counted in a filter
    float* out;
};

// Level::part<PIXELS>(d, part) does one part, of at most Level::most_pixels and Level::span words.
template <typename Level, std::size_t... PIXELS>
inline void walk(const BinaryDots& d, std::index_sequence<PIXELS...>) {
    using Do = void (*)(const BinaryDots&, const Part&);
    static constexpr Do part_of[] = {Level::template part<PIXELS + 1>...};
    constexpr std::size_t most = sizeof...(PIXELS), span = Level::span;

    std::ptrdiff_t offsets[span];
    const Run* run = d.runs;
    std::size_t done = 0;  // words of *run
    for (std::size_t from = 0; from < d.words; from += span) {
        const std::size_t words = std::min(span, d.words - from);
        for (std::size_t k = 0; k < words;) {
            for (; done < run->length && k < words; ++done, ++k) {
                offsets[k] = run->offset + static_cast<std::ptrdiff_t>(done);
            }
            if (done == run->length) ++run, done = 0;
        }
        std::size_t chunks = (d.pixels + most - 1) / most;
        for (std::size_t p = 0; p < d.pixels; --chunks) {
            const std::size_t n = (d.pixels - p + chunks - 1) / chunks;
            part_of[n - 1](d, {d.x + static_cast<std::ptrdiff_t>(p) * d.pixel_stride, offsets,
                               words, from, d.out + p * d.out_stride});
            p += n;
        }
    }
}

template <typename Level>
inline void walk(const BinaryDots& d) {
    walk<Level>(d, std::make_index_sequence<Level::most_pixels>{});
}

}  // namespace
}  // namespace bitgrove::binary_dots
