// Operators that treat every number by itself, and the flattening before a linear layer.
#include <algorithm>

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
        for (std::size_t p = 0; p < result.shape.h * result.shape.w; ++p) {
            for (std::size_t c = 0; c < channels; ++c) {
                out[p * channels + c] = f_(x[p * channels + c], p, c);
            }
        }
    }

  private:
    F f_;
};

template <typename F>
OpPtr map(const Value& in, F f) {
    require(in.kind == Kind::real, "the input must be real");
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
    Multiply(Value result, std::size_t sharing) : Op(result), sharing_(sharing) {}
    void run(const Call& call) const override {
        const float *a = call.real(0), *b = call.real(1);
        for (std::size_t i = 0; i < result.shape.size(); ++i) {
            call.real_out()[i] = a[i] * b[i / sharing_];
        }
    }

  private:
    std::size_t sharing_;  // neighbouring channels of a that one channel of b multiplies
};

class Flatten : public Op {
  public:
    explicit Flatten(const Value& in)
        : Op(Value{Kind::real, {1, 1, in.shape.size()}}), in_(in.shape) {}
    void run(const Call& call) const override {
        const std::size_t pixels = in_.h * in_.w;
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
    return map(in, [scale = copy(scale), bias = copy(bias)](float x, std::size_t, std::size_t c) {
        return x * scale[c] + bias[c];
    });
}

OpPtr make_scale_map(const Value& in, Floats values) {
    require(values.size() == in.shape.size(), "the map must have shape (h, w, c) of its input");
    return map(
        in, [values = copy(values), channels = in.shape.c](float x, std::size_t p, std::size_t c) {
            return x * values[p * channels + c];
        });
}

OpPtr make_relu(const Value& in) {
    return map(in, [](float x, std::size_t, std::size_t) { return x > 0 ? x : 0.0f; });
}

OpPtr make_hardtanh(const Value& in) {
    return map(in, [](float x, std::size_t, std::size_t) { return std::clamp(x, -1.0f, 1.0f); });
}

OpPtr make_binarise(const Value& in) {
    return map(in, [](float x, std::size_t, std::size_t) { return x >= 0 ? 1.0f : -1.0f; });
}

OpPtr make_prelu(const Value& in, Floats slope) {
    require(slope.size() == in.shape.c, "slope must have one number per channel");
    return map(in, [slope = copy(slope)](float x, std::size_t, std::size_t c) {
        return x >= 0 ? x : x * slope[c];
    });
}

OpPtr make_add(const Value& a, const Value& b) {
    require(a.kind == Kind::real && b.kind == Kind::real && a.shape == b.shape,
            "both inputs must be real and of the same shape");
    return std::make_unique<Add>(a);
}

OpPtr make_multiply(const Value& a, const Value& b) {
    require(a.kind == Kind::real && b.kind == Kind::real && a.shape.h == b.shape.h &&
                a.shape.w == b.shape.w && a.shape.c % b.shape.c == 0,
            "both inputs must be real and of the same shape, but for a divisor of the channels");
    return std::make_unique<Multiply>(a, a.shape.c / b.shape.c);
}

OpPtr make_flatten(const Value& in) {
    require(in.kind == Kind::real, "the input must be real");
    return std::make_unique<Flatten>(in);
}

}  // namespace bitgrove::runtime
