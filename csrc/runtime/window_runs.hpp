// What the window of a convolution reads of a stored value, for the kernels.
#pragma once
#include <vector>

#include "bitgrove/runs.hpp"
#include "layout.hpp"

namespace bitgrove::runtime {

// The taps of a window in order, `length` elements each, as stretches from the address of its first
// tap; neighbours are joined.
inline std::vector<Run> window_runs(const Window& window, std::size_t plane, std::size_t row,
                                    std::size_t pixel, std::size_t length) {
    std::vector<Run> runs;
    for (std::size_t td = 0; td < window.kernel[0]; ++td) {
        for (std::size_t th = 0; th < window.kernel[1]; ++th) {
            for (std::size_t tw = 0; tw < window.kernel[2]; ++tw) {
                const auto offset =
                    distance(td * window.dilation[0] * plane + th * window.dilation[1] * row +
                             tw * window.dilation[2] * pixel);
                if (!runs.empty() && runs.back().offset + distance(runs.back().length) == offset) {
                    runs.back().length += length;
                } else {
                    runs.push_back({offset, length});
                }
            }
        }
    }
    return runs;
}

inline std::vector<Run> window_runs(const Window& window, const Layout& in, std::size_t element,
                                    std::size_t length) {
    return window_runs(window, in.plane_bytes() / element, in.row_bytes() / element,
                       in.pixel_bytes() / element, length);
}

// The pixel under the first tap of the window over output (z, y, x).
inline std::byte* window_start(const Window& window, const View& in, std::size_t z, std::size_t y,
                               std::size_t x) {
    const auto at = [&](std::size_t o, int axis) {
        return distance(o * window.stride[axis]) - distance(window.padding[axis]);
    };
    return in.at(at(z, 0), at(y, 1), at(x, 2));
}

// The pixels around the input that the windows reach.
inline Border window_border(const Window& window, const Shape& in, const Shape& out, int pad) {
    Border border{.pad = pad};
    for (int axis : {0, 1, 2}) {
        const std::size_t last = (out.side(axis) - 1) * window.stride[axis] +
                                 (window.kernel[axis] - 1) * window.dilation[axis] + 1;
        const std::size_t end = window.padding[axis] + in.side(axis);
        border.before[axis] = window.padding[axis];
        border.after[axis] = last > end ? last - end : 0;
    }
    return border;
}

}  // namespace bitgrove::runtime
