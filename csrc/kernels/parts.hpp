// Cuts a convolution along a row into parts: a few pixels (in chunks as even as can be: 14 are 7
// and 7, not 8 and 6), whose sums a level keeps in registers, and spans of a filter, whose places
// fit on the stack.
//
// No include guard on purpose: what is here is compiled for the including file's target, in a
// namespace of its own.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "bitgrove/runs.hpp"

namespace bitgrove {
namespace {

template <typename Element>
struct Part {
    const Element* x;               // the first pixel
    const std::ptrdiff_t* offsets;  // from a pixel to its steps
    std::size_t steps;              // how many
    std::size_t from;               // the first of them, counted in a filter
    float* out;
};

// Level::part<PIXELS>(d, part) does one part, of at most Level::most_pixels pixels and Level::span
// steps. A step is Level::step elements; a filter has `steps`.
template <typename Level, typename Dots, std::size_t... PIXELS>
inline void walk(const Dots& d, std::size_t steps, std::index_sequence<PIXELS...>) {
    using Some = Part<typename Level::Element>;
    using Do = void (*)(const Dots&, const Some&);
    static constexpr Do part_of[] = {Level::template part<PIXELS + 1>...};
    constexpr std::size_t most = sizeof...(PIXELS), span = Level::span, step = Level::step;

    std::ptrdiff_t offsets[span];
    const Run* run = d.runs;
    std::size_t done = 0;  // elements of *run
    for (std::size_t from = 0; from < steps; from += span) {
        const std::size_t n = std::min(span, steps - from);
        for (std::size_t k = 0; k < n;) {
            for (; done < run->length && k < n; done += step, ++k) {
                offsets[k] = run->offset + static_cast<std::ptrdiff_t>(done);
            }
            if (done == run->length) ++run, done = 0;
        }
        std::size_t chunks = (d.pixels + most - 1) / most;
        for (std::size_t p = 0; p < d.pixels; --chunks) {
            const std::size_t pixels = (d.pixels - p + chunks - 1) / chunks;
            part_of[pixels - 1](d, Some{d.x + static_cast<std::ptrdiff_t>(p) * d.pixel_stride,
                                        offsets, n, from, d.out + p * d.out_stride});
            p += pixels;
        }
    }
}

template <typename Level, typename Dots>
inline void walk(const Dots& d, std::size_t steps) {
    walk<Level>(d, steps, std::make_index_sequence<Level::most_pixels>{});
}

}  // namespace
}  // namespace bitgrove
