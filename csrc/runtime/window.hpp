// A window that slides over a value, along depth (axis 0), height (1) and width (2).
#pragma once
#include <algorithm>
#include <array>

#include "value.hpp"

namespace bitgrove::runtime {

using Triple = std::array<std::size_t, 3>;

// The pixel of a shape with this number, as (depth, row, column).
inline Triple place(std::size_t pixel, const Shape& shape) {
    return {pixel / (shape.h * shape.w), pixel / shape.w % shape.h, pixel % shape.w};
}

struct Window {
    Triple kernel;
    Triple stride{1, 1, 1};
    Triple padding{0, 0, 0};
    Triple dilation{1, 1, 1};
    bool ceil = false;  // a last window may hang over the far border, as long as it starts inside

    std::size_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }

    // Length of the result along an axis; throws where nothing would be left.
    std::size_t out(std::size_t in, int axis) const {
        const std::size_t reach = dilation[axis] * (kernel[axis] - 1) + 1;
        const std::size_t padded = in + 2 * padding[axis] + (ceil ? stride[axis] - 1 : 0);
        require(padded >= reach, "a window that reaches over " + std::to_string(reach) +
                                     " pixels does not fit into " +
                                     std::to_string(in + 2 * padding[axis]));
        const std::size_t count = (padded - reach) / stride[axis] + 1;
        const bool starts_outside = (count - 1) * stride[axis] >= in + padding[axis];
        return ceil && starts_outside ? count - 1 : count;
    }

    Shape out(const Shape& in, std::size_t channels) const {
        return {out(in.d, 0), out(in.h, 1), out(in.w, 2), channels};
    }

    // Rows of the input under so many rows of the result.
    std::size_t rows_under(std::size_t rows) const {
        return (rows - 1) * stride[1] + (kernel[1] - 1) * dilation[1] + 1;
    }

    // Rows of the result, at least 1 and at most `height`, that no more than these rows of the
    // input lie under.
    std::size_t rows_over(std::size_t rows, std::size_t height) const {
        const std::size_t reach = rows_under(1);
        return std::min(rows > reach ? (rows - reach) / stride[1] + 1 : 1, height);
    }

    // Coordinate of the input under tap `t` of output `o`; true if it lies inside.
    bool source(std::size_t o, std::size_t t, std::size_t in, int axis, std::size_t& at) const {
        at = o * stride[axis] + t * dilation[axis] - padding[axis];  // wraps when outside
        return at < in;
    }
};

// Part of an axis of the input: every step-th pixel from the first to before the last.
struct Range {
    std::size_t first, last, step = 1;
};

// Pixels under the window of output `o` that lie inside the input: the cost of a window is bounded
// by the input, however large a kernel a file asks for.
inline Range inside(const Window& window, std::size_t o, std::size_t in, int axis) {
    const std::size_t start = o * window.stride[axis], step = window.dilation[axis];
    const std::size_t before = window.padding[axis], end = start + window.kernel[axis] * step;
    const std::size_t skipped = start >= before ? 0 : (before - start + step - 1) / step;
    const std::size_t first = start + skipped * step - before;
    return {first, end <= before ? first : std::min(end - before, in), step};
}

}  // namespace bitgrove::runtime
