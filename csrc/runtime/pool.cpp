// Operators that summarise a window or a cell.
#include <cmath>

#include "bit_pool.hpp"
#include "max_pool.hpp"

namespace bitgrove::runtime {
namespace {

using Ranges = std::array<Range, 3>;

std::size_t count(const Range& range) {
    return range.last > range.first ? (range.last - range.first + range.step - 1) / range.step : 0;
}

// Offsets in numbers from pixel (first z, first y, first x) of the ranges to each of their pixels.
void list_offsets(const View& in, const Ranges& ranges, std::ptrdiff_t* out) {
    const auto& [depth, rows, columns] = ranges;
    const float* start = in.real(distance(depth.first), distance(rows.first), 0);
    for (std::size_t z = depth.first; z < depth.last; z += depth.step) {
        for (std::size_t y = rows.first; y < rows.last; y += rows.step) {
            for (std::size_t x = columns.first; x < columns.last; x += columns.step) {
                *out++ = in.real(distance(z), distance(y), distance(x - columns.first)) - start;
            }
        }
    }
}

// Runs one of the taps kernels over all windows of a part. Windows of a row that lie wholly inside
// the columns go in one call, the others one by one. `finish(x, pixels, out, ranges)` sees the
// results of each call.
template <typename Kernel, typename Finish>
void slide(const View& in, const Window& window, const Shape& shape, const Tile& tile,
           std::ptrdiff_t* offsets, Kernel kernel, Finish finish) {
    const Range depth = inside(window, tile.z, shape.d, 0),
                rows = inside(window, tile.y, shape.h, 1);
    const std::size_t width = (window.kernel[2] - 1) * window.dilation[2] + 1;
    const auto is_whole = [&](std::size_t o) {
        const std::size_t start = o * window.stride[2];
        return start >= window.padding[2] && start - window.padding[2] + width <= shape.w;
    };
    const std::size_t end = tile.x + tile.pixels;
    for (std::size_t x = tile.x; x < end;) {
        std::size_t last = x + 1;
        if (is_whole(x)) {
            while (last < end && is_whole(last)) ++last;
        }
        const Ranges ranges{depth, rows, inside(window, x, shape.w, 2)};
        list_offsets(in, ranges, offsets);
        const std::size_t taps = count(ranges[0]) * count(ranges[1]) * count(ranges[2]);
        float* out = tile.data + (x - tile.x) * tile.stride;
        const Taps call{
            .x = in.real(distance(depth.first), distance(rows.first), distance(ranges[2].first)) +
                 tile.channel,
            .pixel_stride =
                distance(window.stride[2]) * in.pixel / static_cast<std::ptrdiff_t>(sizeof(float)),
            .pixels = last - x,
            .offsets = offsets,
            .count = taps,
            .weight = nullptr,
            .bias = nullptr,
            .channels = tile.channels,
            .out = out,
            .out_stride = tile.stride};
        if (taps == 0) {
            for (std::size_t p = 0; p < call.pixels; ++p) {
                std::fill_n(out + p * tile.stride, tile.channels, 0.0f);
            }
        } else {
            kernel(call);
        }
        finish(x, last - x, out, ranges);
        x = last;
    }
}

void divide(float* out, std::size_t stride, std::size_t pixels, std::size_t channels,
            std::size_t divisor) {
    const auto number = static_cast<float>(divisor);
    const bool exact = (divisor & (divisor - 1)) == 0;  // then so is the product by the inverse
    const float inverse = 1.0f / number;
    for (std::size_t p = 0; p < pixels; ++p, out += stride) {
        if (exact) {
            for (std::size_t c = 0; c < channels; ++c) out[c] *= inverse;
        } else {
            for (std::size_t c = 0; c < channels; ++c) out[c] /= number;
        }
    }
}

// Pixels that the ranges can hold at most.
std::size_t most_taps(const Window& window, const Shape& in) {
    std::size_t taps = 1;
    for (int axis : {0, 1, 2}) taps *= std::min(window.kernel[axis], in.side(axis));
    return taps;
}

class AvgPool : public Windowed {
  public:
    AvgPool(const Value& in, const Window& window, bool count_padding)
        : Windowed(in, window), count_padding_(count_padding) {}

    void run(const Call& call, const Part& part, Sink& sink) const override {
        auto* offsets = reinterpret_cast<std::ptrdiff_t*>(call.scratch);
        each_tile(part, result.shape, sink, [&](const Tile& tile) {
            slide(call.in(0), window_, in_, tile, offsets, call.kernels.taps->sum,
                  [&](std::size_t x, std::size_t pixels, float* out, const Ranges& ranges) {
                      const std::size_t divisor =
                          count_padding_ ? padded_count({tile.z, tile.y, x})
                                         : count(ranges[0]) * count(ranges[1]) * count(ranges[2]);
                      divide(out, tile.stride, pixels, tile.channels, divisor);
                  });
        });
    }

  private:
    // Pixels of the window with the padding, but without what hangs over it.
    std::size_t padded_count(const Triple& o) const {
        std::size_t count = 1;
        for (int axis : {0, 1, 2}) {
            const std::size_t start = o[axis] * window_.stride[axis];
            const std::size_t end = in_.side(axis) + 2 * window_.padding[axis];
            count *= std::min(start + window_.kernel[axis], end) - start;
        }
        return count;
    }

    bool count_padding_;
};

class AdaptiveAvgPool : public Producer {
  public:
    AdaptiveAvgPool(const Value& in, const Triple& size)
        : Producer(Value{Kind::real, {size[0], size[1], size[2], in.shape.c}}), in_(in.shape) {}

    bool splits_channels() const override { return true; }

    std::size_t scratch_bytes() const override {
        std::size_t taps = 1;
        for (int axis : {0, 1, 2}) {
            taps *= std::min(in_.side(axis), in_.side(axis) / result.shape.side(axis) + 2);
        }
        return taps * sizeof(std::ptrdiff_t);
    }

    void run(const Call& call, const Part& part, Sink& sink) const override {
        auto* offsets = reinterpret_cast<std::ptrdiff_t*>(call.scratch);
        const View& in = call.in(0);
        each_tile(part, result.shape, sink, [&](const Tile& tile) {
            for (std::size_t p = 0; p < tile.pixels; ++p) {
                const Triple o{tile.z, tile.y, tile.x + p};
                const Ranges cells{cell(o, 0), cell(o, 1), cell(o, 2)};
                list_offsets(in, cells, offsets);
                const std::size_t taps = count(cells[0]) * count(cells[1]) * count(cells[2]);
                float* out = tile.data + p * tile.stride;
                call.kernels.taps->sum(
                    {.x = in.real(distance(cells[0].first), distance(cells[1].first),
                                  distance(cells[2].first)) +
                          tile.channel,
                     .pixel_stride = 0,
                     .pixels = 1,
                     .offsets = offsets,
                     .count = taps,
                     .weight = nullptr,
                     .bias = nullptr,
                     .channels = tile.channels,
                     .out = out,
                     .out_stride = tile.stride});
                divide(out, tile.stride, 1, tile.channels, taps);
            }
        });
    }

  private:
    Range cell(const Triple& o, int axis) const {
        const std::size_t whole = in_.side(axis), parts = result.shape.side(axis);
        return {o[axis] * whole / parts, ((o[axis] + 1) * whole + parts - 1) / parts};
    }

    Shape in_;
};

// Of groups of channels: first the means of |x| at each pixel, then those of the window.
class InputScale : public Producer {
  public:
    InputScale(const Value& in, const Window& window, std::size_t groups)
        : Producer(Value{Kind::real, window.out(in.shape, groups)}),
          in_(in.shape),
          window_(window) {}

    // A pixel of the input is read by several windows; its means are taken anew for each row of
    // windows, so that parts need nothing of each other.
    void run(const Call& call, const Part& part, Sink& sink) const override {
        const std::size_t groups = result.shape.c, channels = in_.c / groups;
        auto* means = reinterpret_cast<float*>(call.scratch);
        each_tile(part, result.shape, sink, [&](const Tile& tile) {
            const Range depth = inside(window_, tile.z, in_.d, 0);
            const Range rows = inside(window_, tile.y, in_.h, 1);
            // Sums over the depth and the rows of the window, for every column.
            std::fill_n(means, in_.w * groups, 0.0f);
            for (std::size_t z = depth.first; z < depth.last; z += depth.step) {
                for (std::size_t y = rows.first; y < rows.last; y += rows.step) {
                    const float* x = call.in(0).real(distance(z), distance(y), 0);
                    for (std::size_t i = 0; i < in_.w * groups; ++i, x += channels) {
                        float total = 0;
                        for (std::size_t c = 0; c < channels; ++c) total += std::fabs(x[c]);
                        means[i] += total / static_cast<float>(channels);
                    }
                }
            }
            for (std::size_t p = 0; p < tile.pixels; ++p) {
                const Range columns = inside(window_, tile.x + p, in_.w, 2);
                float* out = tile.data + p * tile.stride;
                std::fill_n(out, groups, 0.0f);
                for (std::size_t x = columns.first; x < columns.last; x += columns.step) {
                    for (std::size_t g = 0; g < groups; ++g) out[g] += means[x * groups + g];
                }
                divide(out, tile.stride, 1, groups, window_.taps());
            }
        });
    }

    std::size_t scratch_bytes() const override { return in_.w * result.shape.c * sizeof(float); }

  private:
    Shape in_;
    Window window_;
};

// torch's rule; without it a window could lie in the padding alone.
void require_small_padding(const Window& window) {
    for (int axis : {0, 1, 2}) {
        require(2 * window.padding[axis] <= window.kernel[axis] && window.dilation[axis] == 1,
                "padding must be at most half of the kernel, without dilation");
    }
}

}  // namespace

Windowed::Windowed(const Value& in, const Window& window)
    : Producer(Value{Kind::real, window.out(in.shape, in.shape.c)}),
      in_(in.shape),
      window_(window) {}

std::size_t Windowed::scratch_bytes() const {
    return most_taps(window_, in_) * sizeof(std::ptrdiff_t);
}

std::size_t Windowed::window_rows() const {
    return in_.d == 1 ? std::min(window_.kernel[1], in_.h) : 0;
}

Range Windowed::rows_read(std::size_t y) const {
    return inside(window_, y, in_.h, 1);
}

void MaxPool::run(const Call& call, const Part& part, Sink& sink) const {
    auto* offsets = reinterpret_cast<std::ptrdiff_t*>(call.scratch);
    each_tile(part, result.shape, sink, [&](const Tile& tile) {
        slide(call.in(0), window_, in_, tile, offsets, call.kernels.taps->maximum,
              [](std::size_t, std::size_t, float*, const Ranges&) {});
    });
}

BitPool::BitPool(const Value& in, const Window& window, std::vector<std::uint64_t> flip)
    : BitOp(Value{Kind::bits, window.out(in.shape, in.shape.c), in.groups}),
      in_(in.shape),
      window_(window),
      flip_(std::move(flip)) {
    flip_.resize(result.words_per_pixel(), 0);
}

void BitPool::run(const Call& call, const Part& part, const View& out) const {
    const std::size_t words = result.words_per_pixel();
    each_row(part, result.shape, [&](std::size_t oz, std::size_t oy) {
        const Range depth = inside(window_, oz, in_.d, 0), rows = inside(window_, oy, in_.h, 1);
        std::uint64_t* to = out.bits(distance(oz), distance(oy), 0);
        std::fill_n(to, words * result.shape.w, 0);
        for (std::size_t z = depth.first; z < depth.last; ++z) {
            for (std::size_t y = rows.first; y < rows.last; ++y) {
                const std::uint64_t* from = call.in(0).bits(distance(z), distance(y), 0);
                for (std::size_t ox = 0; ox < result.shape.w; ++ox) {
                    const Range columns = inside(window_, ox, in_.w, 2);
                    for (std::size_t x = columns.first; x < columns.last; ++x) {
                        for (std::size_t w = 0; w < words; ++w) {
                            to[ox * words + w] |= from[x * words + w];
                        }
                    }
                }
            }
        }
        for (std::size_t i = 0; i < words * result.shape.w; ++i) to[i] ^= flip_[i % words];
    });
}

OpPtr make_max_pool(const Value& in, const Window& window) {
    require_real(in);
    require_small_padding(window);
    return std::make_unique<MaxPool>(in, window);
}

OpPtr make_avg_pool(const Value& in, const Window& window, bool count_padding) {
    require_real(in);
    require_small_padding(window);
    return std::make_unique<AvgPool>(in, window, count_padding);
}

OpPtr make_adaptive_avg_pool(const Value& in, const Triple& size) {
    require_real(in);
    return std::make_unique<AdaptiveAvgPool>(in, size);
}

OpPtr make_input_scale(const Value& in, const Window& window, std::size_t groups) {
    require_real(in);
    require(groups >= 1 && in.shape.c % groups == 0, "groups must divide the channels");
    return std::make_unique<InputScale>(in, window, groups);
}

}  // namespace bitgrove::runtime
