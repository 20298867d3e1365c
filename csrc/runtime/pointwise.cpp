// Operators that treat every number by itself, and the flattening before a linear layer.
#include <algorithm>
#include <cmath>

#include "op.hpp"

namespace bitgrove::runtime {
namespace {

// One function of (number, channel) over a whole value.
template <typename F>
class Map : public Op {
  public:
    Map(const Value& in, F f) : Op(in), f_(std::move(f)) {}
    void run(const Call& call) const override {
        const float* x = call.real();
        float* out = call.real_out();
        const std::size_t channels = result.shape.c;
        for (std::size_t p = 0; p < result.shape.pixels(); ++p) {
            for (std::size_t c = 0; c < channels; ++c) {
                out[p * channels + c] = f_(x[p * channels + c], c);
            }
        }
    }

  private:
    F f_;
};

template <typename F>
OpPtr map(const Value& in, F f) {
    require_real(in);
    return std::make_unique<Map<F>>(in, std::move(f));
}

std::vector<float> copy(Floats values) {
    return {values.begin(), values.end()};
}

class Add : public Op {
  public:
    using Op::Op;
    void run(const Call& call) const override {
        const float *a = call.real(0), *b = call.real(1);
        for (std::size_t i = 0; i < result.shape.size(); ++i) call.real_out()[i] = a[i] + b[i];
    }
};

class Multiply : public Op {
  public:
    Multiply(const Value& a, const Value& b)
        : Op(a), sharing_(a.shape.c / b.shape.c), one_pixel_(b.shape.pixels() == 1) {}
    void run(const Call& call) const override {
        const float *a = call.real(0), *b = call.real(1);
        const std::size_t channels = result.shape.c;
        for (std::size_t i = 0; i < result.shape.size(); ++i) {
            const std::size_t at = one_pixel_ ? i % channels : i;
            call.real_out()[i] = a[i] * b[at / sharing_];
        }
    }

  private:
    std::size_t sharing_;  // neighbouring channels of a that one channel of b multiplies
    bool one_pixel_;       // of b, for all of a
};

class ScaleMap : public Op {
  public:
    ScaleMap(const Value& in, Floats map, const Shape& s) : Op(in), map_(map.begin(), map.end()) {
        const std::size_t steps[] = {s.h * s.w * s.c, s.w * s.c, s.c};
        for (int axis : {0, 1, 2}) step_[axis] = s.side(axis) == 1 ? 0 : steps[axis];
        channel_step_ = s.c == 1 ? 0 : 1;
    }
    void run(const Call& call) const override {
        const float* x = call.real();
        float* out = call.real_out();
        const std::size_t channels = result.shape.c;
        for (std::size_t p = 0; p < result.shape.pixels(); ++p) {
            const Triple o = place(p, result.shape);
            const float* map = map_.data() + o[0] * step_[0] + o[1] * step_[1] + o[2] * step_[2];
            for (std::size_t c = 0; c < channels; ++c) {
                out[p * channels + c] = x[p * channels + c] * map[c * channel_step_];
            }
        }
    }

  private:
    std::vector<float> map_;
    Triple step_;  // 0 where the map has one number for the whole axis
    std::size_t channel_step_;
};

class Flatten : public Op {
  public:
    explicit Flatten(const Value& in)
        : Op(Value{Kind::real, {1, 1, 1, in.shape.size()}}), in_(in.shape) {}
    void run(const Call& call) const override {
        const std::size_t pixels = in_.pixels();
        for (std::size_t c = 0; c < in_.c; ++c) {
            for (std::size_t p = 0; p < pixels; ++p) {
                call.real_out()[c * pixels + p] = call.real()[p * in_.c + c];
            }
        }
    }

  private:
    Shape in_;
};

}  // namespace

OpPtr make_affine(const Value& in, Floats scale, Floats bias) {
    require(scale.size() == in.shape.c && bias.size() == in.shape.c,
            "scale and bias must have one number per channel");
    return map(in, [scale = copy(scale), bias = copy(bias)](float x, std::size_t c) {
        return x * scale[c] + bias[c];
    });
}

OpPtr make_scale_map(const Value& in, Floats values, const Shape& s) {
    require_real(in);
    const auto fits = [](std::size_t side, std::size_t whole) {
        return side == whole || side == 1;
    };
    require(fits(s.d, in.shape.d) && fits(s.h, in.shape.h) && fits(s.w, in.shape.w) &&
                fits(s.c, in.shape.c) && values.size() == s.size(),
            "the map must have the sides and channels of its input, or 1");
    return std::make_unique<ScaleMap>(in, values, s);
}

OpPtr make_relu(const Value& in) {
    return map(in, [](float x, std::size_t) { return x > 0 ? x : 0.0f; });
}

OpPtr make_sigmoid(const Value& in) {
    return map(in, [](float x, std::size_t) { return 1.0f / (1.0f + std::exp(-x)); });
}

OpPtr make_clip(const Value& in, float low, float high, float slope) {
    require(std::isfinite(low) && std::isfinite(high) && low <= high && std::isfinite(slope),
            "low must be at most high, and all finite");
    return map(in, [=](float x, std::size_t) {
        const float clipped = std::clamp(x, low, high);
        return x == clipped ? x : clipped + (slope == 0 ? 0.0f : slope * (x - clipped));
    });
}

OpPtr make_prelu(const Value& in, Floats slope, Floats before, Floats after) {
    const std::size_t channels = in.shape.c;
    require(slope.size() == channels && (before.empty() || before.size() == channels) &&
                (after.empty() || after.size() == channels),
            "slope, before and after must have one number per channel");
    if (before.empty() && after.empty()) {
        return map(in, [slope = copy(slope)](float x, std::size_t c) {
            return x >= 0 ? x : x * slope[c];
        });
    }
    std::vector<float> in_shift = copy(before), out_shift = copy(after);
    in_shift.resize(channels, 0.0f);
    out_shift.resize(channels, 0.0f);
    return map(in, [slope = copy(slope), in_shift = std::move(in_shift),
                    out_shift = std::move(out_shift)](float x, std::size_t c) {
        const float y = x + in_shift[c];
        return (y >= 0 ? y : y * slope[c]) + out_shift[c];
    });
}

OpPtr make_add(const Value& a, const Value& b) {
    require(a.kind == Kind::real && b.kind == Kind::real && a.shape == b.shape,
            "both inputs must be real and of the same shape");
    return std::make_unique<Add>(a);
}

OpPtr make_multiply(const Value& a, const Value& b) {
    const Shape &s = a.shape, &t = b.shape;
    require(a.kind == Kind::real && b.kind == Kind::real && s.c % t.c == 0 &&
                (t.pixels() == 1 || (s.d == t.d && s.h == t.h && s.w == t.w)),
            "both inputs must be real, the second of the first's sides or one pixel, and with a "
            "divisor of its channels");
    return std::make_unique<Multiply>(a, b);
}

OpPtr make_flatten(const Value& in) {
    require_real(in);
    return std::make_unique<Flatten>(in);
}

}  // namespace bitgrove::runtime
