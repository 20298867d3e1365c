// Operators that summarise a window.
#include <algorithm>
#include <cmath>
#include <limits>

#include "op.hpp"

namespace bitgrove::runtime {
namespace {

// Taps of a window that lie inside the input, from the first to before the last: the cost of a
// window is bounded by the input, however large a kernel a file asks for.
struct Taps {
    std::size_t first, last;
    Taps(const Window& window, std::size_t out, std::size_t in, int axis) {
        const std::size_t start = out * window.stride[axis], step = window.dilation[axis];
        const std::size_t before = window.padding[axis];
        first = start >= before ? 0 : (before - start + step - 1) / step;
        last = in + before > start ? (in + before - start + step - 1) / step : 0;
        last = std::min(last, window.kernel[axis]);
    }
};

// Calls visit(pixel of the input) for every tap inside; returns how many there were.
template <typename F>
std::size_t each_tap(const Window& window, const Shape& in, std::size_t oy, std::size_t ox,
                     F visit) {
    const Taps rows(window, oy, in.h, 0), columns(window, ox, in.w, 1);
    std::size_t count = 0;
    for (std::size_t ty = rows.first; ty < rows.last; ++ty) {
        const std::size_t y = oy * window.stride[0] + ty * window.dilation[0] - window.padding[0];
        for (std::size_t tx = columns.first; tx < columns.last; ++tx) {
            visit(y * in.w + ox * window.stride[1] + tx * window.dilation[1] - window.padding[1]);
            ++count;
        }
    }
    return count;
}

class Windowed : public Op {
  public:
    Windowed(const Value& in, const Window& window, std::size_t channels)
        : Op(Value{Kind::real, {window.out(in.shape.h, 0), window.out(in.shape.w, 1), channels}}),
          in_(in.shape),
          window_(window) {}

  protected:
    Shape in_;
    Window window_;
};

class MaxPool2d : public Windowed {
  public:
    using Windowed::Windowed;
    void run(const Call& call) const override {
        float* out = call.real_out();
        for (std::size_t oy = 0; oy < result.shape.h; ++oy) {
            for (std::size_t ox = 0; ox < result.shape.w; ++ox, out += in_.c) {
                std::fill_n(out, in_.c, -std::numeric_limits<float>::infinity());
                each_tap(window_, in_, oy, ox, [&](std::size_t pixel) {
                    const float* x = call.real() + pixel * in_.c;
                    for (std::size_t c = 0; c < in_.c; ++c) out[c] = std::max(out[c], x[c]);
                });
            }
        }
    }
};

class AvgPool2d : public Windowed {
  public:
    AvgPool2d(const Value& in, const Window& window, bool count_padding)
        : Windowed(in, window, in.shape.c), count_padding_(count_padding) {}
    void run(const Call& call) const override {
        float* out = call.real_out();
        for (std::size_t oy = 0; oy < result.shape.h; ++oy) {
            for (std::size_t ox = 0; ox < result.shape.w; ++ox, out += in_.c) {
                std::fill_n(out, in_.c, 0.0f);
                const std::size_t inside = each_tap(window_, in_, oy, ox, [&](std::size_t pixel) {
                    const float* x = call.real() + pixel * in_.c;
                    for (std::size_t c = 0; c < in_.c; ++c) out[c] += x[c];
                });
                const auto divisor = static_cast<float>(count_padding_ ? window_.taps() : inside);
                for (std::size_t c = 0; c < in_.c; ++c) out[c] /= divisor;
            }
        }
    }

  private:
    bool count_padding_;
};

class InputScale : public Windowed {
  public:
    InputScale(const Value& in, const Window& window, std::size_t groups)
        : Windowed(in, window, groups) {}
    std::size_t scratch_bytes() const override {
        return in_.h * in_.w * result.shape.c * sizeof(float);
    }
    void run(const Call& call) const override {
        auto* means = static_cast<float*>(call.scratch);
        const std::size_t groups = result.shape.c, channels = in_.c / groups;
        for (std::size_t row = 0; row < in_.h * in_.w * groups; ++row) {
            float sum = 0;
            for (std::size_t c = 0; c < channels; ++c) {
                sum += std::fabs(call.real()[row * channels + c]);
            }
            means[row] = sum / static_cast<float>(channels);
        }
        float* out = call.real_out();
        for (std::size_t oy = 0; oy < result.shape.h; ++oy) {
            for (std::size_t ox = 0; ox < result.shape.w; ++ox, out += groups) {
                for (std::size_t g = 0; g < groups; ++g) {
                    float sum = 0;
                    each_tap(window_, in_, oy, ox,
                             [&](std::size_t pixel) { sum += means[pixel * groups + g]; });
                    out[g] = sum / static_cast<float>(window_.taps());
                }
            }
        }
    }
};

void require_real(const Value& in) {
    require(in.kind == Kind::real, "the input must be real");
}

// torch's rule; without it a window could lie in the padding alone.
void require_small_padding(const Window& window) {
    for (int axis : {0, 1}) {
        require(2 * window.padding[axis] <= window.kernel[axis] && window.dilation[axis] == 1,
                "padding must be at most half of the kernel, without dilation");
    }
}

}  // namespace

OpPtr make_max_pool2d(const Value& in, const Window& window) {
    require_real(in);
    require_small_padding(window);
    return std::make_unique<MaxPool2d>(in, window, in.shape.c);
}

OpPtr make_avg_pool2d(const Value& in, const Window& window, bool count_padding) {
    require_real(in);
    require_small_padding(window);
    return std::make_unique<AvgPool2d>(in, window, count_padding);
}

OpPtr make_global_avg_pool(const Value& in) {
    require_real(in);
    const Window whole{{in.shape.h, in.shape.w}, {1, 1}, {0, 0}, {1, 1}};
    return std::make_unique<AvgPool2d>(in, whole, true);
}

OpPtr make_input_scale(const Value& in, const Window& window, std::size_t groups) {
    require_real(in);
    require(groups >= 1 && in.shape.c % groups == 0, "groups must divide the channels");
    return std::make_unique<InputScale>(in, window, groups);
}

}  // namespace bitgrove::runtime
