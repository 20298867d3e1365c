// Operators that summarise a window or a cell.
#include <cmath>
#include <limits>

#include "op.hpp"

namespace bitgrove::runtime {
namespace {

using Ranges = std::array<Range, 3>;

Ranges inside(const Window& window, const Shape& in, const Triple& o) {
    return {inside(window, o[0], in.d, 0), inside(window, o[1], in.h, 1),
            inside(window, o[2], in.w, 2)};
}

// Sums the pixels of the ranges into out[c] and returns how many there were.
std::size_t sum(const float* x, const Shape& in, const Ranges& ranges, float* out) {
    std::size_t count = 0;
    std::fill_n(out, in.c, 0.0f);
    each_pixel(in, ranges, [&](std::size_t pixel) {
        for (std::size_t c = 0; c < in.c; ++c) out[c] += x[pixel * in.c + c];
        ++count;
    });
    return count;
}

void divide(float* out, std::size_t channels, std::size_t divisor) {
    for (std::size_t c = 0; c < channels; ++c) out[c] /= static_cast<float>(divisor);
}

class Windowed : public Op {
  public:
    Windowed(const Value& in, const Window& window, std::size_t channels)
        : Op(Value{Kind::real, window.out(in.shape, channels)}), in_(in.shape), window_(window) {}

  protected:
    Ranges under(std::size_t pixel) const {
        return inside(window_, in_, place(pixel, result.shape));
    }

    Shape in_;
    Window window_;
};

class MaxPool : public Windowed {
  public:
    using Windowed::Windowed;
    void run(const Call& call) const override {
        float* out = call.real_out();
        for (std::size_t p = 0; p < result.shape.pixels(); ++p, out += in_.c) {
            std::fill_n(out, in_.c, -std::numeric_limits<float>::infinity());
            each_pixel(in_, under(p), [&](std::size_t pixel) {
                const float* x = call.real() + pixel * in_.c;
                for (std::size_t c = 0; c < in_.c; ++c) out[c] = std::max(out[c], x[c]);
            });
        }
    }
};

class AvgPool : public Windowed {
  public:
    AvgPool(const Value& in, const Window& window, bool count_padding)
        : Windowed(in, window, in.shape.c), count_padding_(count_padding) {}
    void run(const Call& call) const override {
        float* out = call.real_out();
        for (std::size_t p = 0; p < result.shape.pixels(); ++p, out += in_.c) {
            const std::size_t count = sum(call.real(), in_, under(p), out);
            divide(out, in_.c, count_padding_ ? padded_count(p) : count);
        }
    }

  private:
    // Pixels of the window with the padding, but without what hangs over it.
    std::size_t padded_count(std::size_t pixel) const {
        const Triple o = place(pixel, result.shape);
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

class AdaptiveAvgPool : public Op {
  public:
    AdaptiveAvgPool(const Value& in, const Triple& size)
        : Op(Value{Kind::real, {size[0], size[1], size[2], in.shape.c}}), in_(in.shape) {}
    void run(const Call& call) const override {
        float* out = call.real_out();
        for (std::size_t p = 0; p < result.shape.pixels(); ++p, out += in_.c) {
            const Triple o = place(p, result.shape);
            const Ranges cells{cell(o, 0), cell(o, 1), cell(o, 2)};
            divide(out, in_.c, sum(call.real(), in_, cells, out));
        }
    }

  private:
    Range cell(const Triple& o, int axis) const {
        const std::size_t whole = in_.side(axis), parts = result.shape.side(axis);
        return {o[axis] * whole / parts, ((o[axis] + 1) * whole + parts - 1) / parts};
    }

    Shape in_;
};

class InputScale : public Windowed {
  public:
    InputScale(const Value& in, const Window& window, std::size_t groups)
        : Windowed(in, window, groups) {}
    std::size_t scratch_bytes() const override {
        return in_.pixels() * result.shape.c * sizeof(float);
    }
    void run(const Call& call) const override {
        auto* means = static_cast<float*>(call.scratch);
        const std::size_t groups = result.shape.c, channels = in_.c / groups;
        for (std::size_t row = 0; row < in_.pixels() * groups; ++row) {
            float total = 0;
            for (std::size_t c = 0; c < channels; ++c) {
                total += std::fabs(call.real()[row * channels + c]);
            }
            means[row] = total / static_cast<float>(channels);
        }
        Shape grouped = in_;
        grouped.c = groups;
        float* out = call.real_out();
        for (std::size_t p = 0; p < result.shape.pixels(); ++p, out += groups) {
            sum(means, grouped, under(p), out);
            divide(out, groups, window_.taps());
        }
    }
};

// torch's rule; without it a window could lie in the padding alone.
void require_small_padding(const Window& window) {
    for (int axis : {0, 1, 2}) {
        require(2 * window.padding[axis] <= window.kernel[axis] && window.dilation[axis] == 1,
                "padding must be at most half of the kernel, without dilation");
    }
}

}  // namespace

OpPtr make_max_pool(const Value& in, const Window& window) {
    require_real(in);
    require_small_padding(window);
    return std::make_unique<MaxPool>(in, window, in.shape.c);
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
