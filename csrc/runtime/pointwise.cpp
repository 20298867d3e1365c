// Operators that treat every number by itself.
#include "pointwise.hpp"

#include <cmath>

namespace bitgrove::runtime {
namespace {

const float* from(const std::vector<float>& numbers, const Tile& tile) {
    return numbers.empty() ? nullptr : numbers.data() + tile.channel;
}

// Pixel (z, y, x) of another value, at the tile's first channel.
const float* beside(const View& other, const Tile& tile) {
    return other.real(distance(tile.z), distance(tile.y), distance(tile.x)) + tile.channel;
}

std::size_t stride(const View& view) {
    return static_cast<std::size_t>(view.pixel) / sizeof(float);
}

class Add : public Step {
  public:
    using Step::Step;
    bool moves() const override { return true; }
    bool commutes() const override { return true; }
    void apply(const Kernels& kernels, std::span<const View> others, Tile& tile) const override {
        kernels.pointwise->add(tile.rows(), beside(others[0], tile), stride(others[0]));
    }
};

class Multiply : public Step {
  public:
    Multiply(const Value& a, const Value& b)
        : Step(a), sharing_(a.shape.c / b.shape.c), one_pixel_(b.shape.pixels() == 1) {}
    void apply(const Kernels& kernels, std::span<const View> others, Tile& tile) const override {
        const View& b = others[0];
        const float* factor = one_pixel_
                                  ? b.real(0, 0, 0)
                                  : b.real(distance(tile.z), distance(tile.y), distance(tile.x));
        const std::size_t step = one_pixel_ ? 0 : stride(b);
        if (sharing_ == 1) {
            kernels.pointwise->multiply(tile.rows(), factor + tile.channel, step);
        } else if (sharing_ == result.shape.c) {
            kernels.pointwise->scale_pixels(tile.rows(), factor, step);
        } else {
            for (std::size_t p = 0; p < tile.pixels; ++p) {
                for (std::size_t c = 0; c < tile.channels; ++c) {
                    tile.data[p * tile.stride + c] *=
                        factor[p * step + (tile.channel + c) / sharing_];
                }
            }
        }
    }

  private:
    std::size_t sharing_;  // neighbouring channels of a that one channel of b multiplies
    bool one_pixel_;       // of b, for all of a
};

class ScaleMap : public Step {
  public:
    ScaleMap(const Value& in, Floats map, const Shape& s) : Step(in), map_(map.begin(), map.end()) {
        const std::size_t steps[] = {s.h * s.w * s.c, s.w * s.c, s.c};
        for (int axis : {0, 1, 2}) step_[axis] = s.side(axis) == 1 ? 0 : steps[axis];
        one_channel_ = s.c == 1;
    }
    void apply(const Kernels& kernels, std::span<const View>, Tile& tile) const override {
        const float* map = map_.data() + tile.z * step_[0] + tile.y * step_[1] + tile.x * step_[2];
        if (one_channel_) {
            kernels.pointwise->scale_pixels(tile.rows(), map, step_[2]);
        } else {
            kernels.pointwise->multiply(tile.rows(), map + tile.channel, step_[2]);
        }
    }

  private:
    std::vector<float> map_;
    Triple step_{};  // 0 where the map has one number for the whole axis
    bool one_channel_;
};

class Relu : public Step {
  public:
    using Step::Step;
    bool moves() const override { return true; }
    void apply(const Kernels& kernels, std::span<const View>, Tile& tile) const override {
        kernels.pointwise->relu(tile.rows());
    }
};

class Sigmoid : public Step {
  public:
    using Step::Step;
    void apply(const Kernels&, std::span<const View>, Tile& tile) const override {
        for (std::size_t p = 0; p < tile.pixels; ++p) {
            float* row = tile.data + p * tile.stride;
            for (std::size_t c = 0; c < tile.channels; ++c) {
                row[c] = 1.0f / (1.0f + std::exp(-row[c]));
            }
        }
    }
};

class Clip : public Step {
  public:
    Clip(const Value& in, float low, float high, float slope)
        : Step(in), low_(low), high_(high), slope_(slope) {}
    bool moves() const override { return true; }
    void apply(const Kernels& kernels, std::span<const View>, Tile& tile) const override {
        kernels.pointwise->clip(tile.rows(), low_, high_, slope_);
    }

  private:
    float low_, high_, slope_;
};

class Prelu : public Step {
  public:
    Prelu(const Value& in, Floats slope, Floats before, Floats after)
        : Step(in),
          slope_(slope.begin(), slope.end()),
          before_(before.begin(), before.end()),
          after_(after.begin(), after.end()) {}
    bool moves() const override { return true; }
    void apply(const Kernels& kernels, std::span<const View>, Tile& tile) const override {
        kernels.pointwise->prelu(tile.rows(), from(slope_, tile), from(before_, tile),
                                 from(after_, tile));
    }

  private:
    std::vector<float> slope_, before_, after_;
};

}  // namespace

Affine::Affine(const Value& in, Floats scale, Floats bias)
    : Step(in), scale_(scale.begin(), scale.end()), bias_(bias.begin(), bias.end()) {}

void Affine::apply(const Kernels& kernels, std::span<const View> others, Tile& tile) const {
    const float *scale = from(scale_, tile), *bias = from(bias_, tile);
    if (others.empty()) {
        kernels.pointwise->affine(tile.rows(), scale, bias);
    } else {
        kernels.pointwise->affine_add(tile.rows(), scale, bias, beside(others[0], tile),
                                      stride(others[0]));
    }
}

bool is_add(const Step& step) {
    return dynamic_cast<const Add*>(&step) != nullptr;
}

OpPtr make_affine(const Value& in, Floats scale, Floats bias) {
    require_real(in);
    require(scale.size() == in.shape.c && bias.size() == in.shape.c,
            "scale and bias must have one number per channel");
    return std::make_unique<Affine>(in, scale, bias);
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
    require_real(in);
    return std::make_unique<Relu>(in);
}

OpPtr make_sigmoid(const Value& in) {
    require_real(in);
    return std::make_unique<Sigmoid>(in);
}

OpPtr make_clip(const Value& in, float low, float high, float slope) {
    require_real(in);
    require(std::isfinite(low) && std::isfinite(high) && low <= high && std::isfinite(slope),
            "low must be at most high, and all finite");
    return std::make_unique<Clip>(in, low, high, slope);
}

OpPtr make_prelu(const Value& in, Floats slope, Floats before, Floats after) {
    require_real(in);
    const std::size_t channels = in.shape.c;
    require(slope.size() == channels && (before.empty() || before.size() == channels) &&
                (after.empty() || after.size() == channels),
            "slope, before and after must have one number per channel");
    return std::make_unique<Prelu>(in, slope, before, after);
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

}  // namespace bitgrove::runtime
