// Operators that make a value larger: upsampling, and a border.
#include <cmath>

#include "op.hpp"

namespace bitgrove::runtime {
namespace {

// Where an output coordinate reads: two neighbours and the share of the second.
struct Source {
    std::size_t first, second;
    float share;
};

// In float32, as torch computes them, so that the nearest pixel is always the same one.
std::vector<Source> sources(std::size_t in, std::size_t out, float step, Upsampling mode) {
    std::vector<Source> table(out);
    const auto last = static_cast<float>(in - 1);
    for (std::size_t o = 0; o < out; ++o) {
        const auto number = static_cast<float>(o);
        if (mode == Upsampling::nearest) {
            const auto at = static_cast<std::size_t>(std::fmin(std::floor(number * step), last));
            table[o] = {at, at, 0.0f};
            continue;
        }
        const float at = std::fmin(std::fmax(step * (number + 0.5f) - 0.5f, 0.0f), last);
        const auto first = static_cast<std::size_t>(at);
        table[o] = {first, std::min(first + 1, in - 1), at - static_cast<float>(first)};
    }
    return table;
}

class Upsample : public Op {
  public:
    Upsample(const Value& in, const Triple& size, const std::array<float, 3>& step, Upsampling mode)
        : Op(Value{Kind::real, {size[0], size[1], size[2], in.shape.c}}), in_(in.shape) {
        for (int axis : {0, 1, 2}) {
            table_[axis] = sources(in.shape.side(axis), size[axis], step[axis], mode);
        }
    }

    void run(const Call& call) const override {
        float* out = call.real_out();
        for (std::size_t p = 0; p < result.shape.pixels(); ++p, out += in_.c) {
            const Triple o = place(p, result.shape);
            const Source &z = table_[0][o[0]], &y = table_[1][o[1]], &x = table_[2][o[2]];
            std::fill_n(out, in_.c, 0.0f);
            for (int corner = 0; corner < 8; ++corner) {
                const float share = part(z, corner & 4) * part(y, corner & 2) * part(x, corner & 1);
                if (share == 0) continue;
                const std::size_t row = end(z, corner & 4) * in_.h + end(y, corner & 2);
                const float* from = call.real() + (row * in_.w + end(x, corner & 1)) * in_.c;
                for (std::size_t c = 0; c < in_.c; ++c) out[c] += share * from[c];
            }
        }
    }

  private:
    static float part(const Source& source, bool second) {
        return second ? source.share : 1 - source.share;
    }
    static std::size_t end(const Source& source, bool second) {
        return second ? source.second : source.first;
    }

    Shape in_;
    std::array<std::vector<Source>, 3> table_;
};

class Pad : public Op {
  public:
    Pad(const Value& in, const Shape& out, const Triple& before, float value)
        : Op(Value{Kind::real, out}), in_(in.shape), before_(before), value_(value) {}

    void run(const Call& call) const override {
        float* out = call.real_out();
        for (std::size_t p = 0; p < result.shape.pixels(); ++p, out += in_.c) {
            const Triple o = place(p, result.shape);
            // Coordinates before the input wrap and so lie outside it.
            const std::size_t z = o[0] - before_[0], y = o[1] - before_[1], x = o[2] - before_[2];
            if (z < in_.d && y < in_.h && x < in_.w) {
                std::copy_n(call.real() + ((z * in_.h + y) * in_.w + x) * in_.c, in_.c, out);
            } else {
                std::fill_n(out, in_.c, value_);
            }
        }
    }

  private:
    Shape in_;
    Triple before_;
    float value_;
};

}  // namespace

OpPtr make_upsample(const Value& in, const Triple& size, const std::array<float, 3>& step,
                    Upsampling mode) {
    require_real(in);
    for (float s : step) require(std::isfinite(s) && s > 0, "step must be above 0");
    return std::make_unique<Upsample>(in, size, step, mode);
}

OpPtr make_pad(const Value& in, const Triple& before, const Triple& after, float value) {
    require_real(in);
    require(std::isfinite(value), "value must be finite");
    const Shape& s = in.shape;
    const Shape out{before[0] + s.d + after[0], before[1] + s.h + after[1],
                    before[2] + s.w + after[2], s.c};
    return std::make_unique<Pad>(in, out, before, value);
}

}  // namespace bitgrove::runtime
