// What is done to each number by itself, over vectors of any width. Included inside a target
// region, after the region's `Vector`.
//
// A step is an object made once per call. `at(c, lanes)` gives what it needs for a vector of
// channels, which serves four pixels; `apply(those, x, p, c, lanes)` is the step itself. Multiply
// and add are separate calls, so that nothing is fused and all levels agree.
//
// No include guard on purpose: the including file has it to itself.
#include <cstddef>

#include "bitgrove/pointwise.hpp"

namespace bitgrove::pointwise {
namespace {

using Lanes = Vector::Lanes;

// All lanes, where a tail has a mask.
struct All {};

inline Lanes load(const float* p, All) {
    return Vector::load(p);
}
inline Lanes load(const float* p, Vector::Mask mask) {
    return Vector::load(p, mask);
}
inline void store(float* p, Lanes x, All) {
    Vector::store(p, x);
}
inline void store(float* p, Lanes x, Vector::Mask mask) {
    Vector::store(p, x, mask);
}

struct None {};

// A step that needs nothing of the channel.
struct Plain {
    None at(std::size_t, auto) const { return {}; }
    // Whether pixels side by side can be taken as channels of one.
    bool flat(std::size_t) const { return true; }
};

// One that also reads another tile.
struct Beside : Plain {
    const float* other;
    std::size_t stride;
    bool flat(std::size_t channels) const { return stride == channels; }
};

// One that needs numbers of its channel.
struct PerChannel {
    bool flat(std::size_t) const { return false; }
};

struct Pair {
    Lanes first, second;
};

struct Affine : PerChannel {
    const float *scale, *bias;
    Pair at(std::size_t c, auto lanes) const {
        return {scale ? load(scale + c, lanes) : Vector::set(1.0f),
                bias ? load(bias + c, lanes) : Vector::zero()};
    }
    Lanes apply(Pair of, Lanes x, std::size_t, std::size_t, auto) const {
        return Vector::add(Vector::mul(x, of.first), of.second);
    }
};

struct AffineAdd : Affine {
    const float* other;
    std::size_t stride;
    Lanes apply(Pair of, Lanes x, std::size_t p, std::size_t c, auto lanes) const {
        return Vector::add(Affine::apply(of, x, p, c, lanes), load(other + p * stride + c, lanes));
    }
};

struct Add : Beside {
    Lanes apply(None, Lanes x, std::size_t p, std::size_t c, auto lanes) const {
        return Vector::add(x, load(other + p * stride + c, lanes));
    }
};

struct Multiply : Beside {
    Lanes apply(None, Lanes x, std::size_t p, std::size_t c, auto lanes) const {
        return Vector::mul(x, load(other + p * stride + c, lanes));
    }
};

struct ScalePixels : Plain {
    const float* factor;
    std::size_t stride;
    bool flat(std::size_t) const { return false; }
    Lanes apply(None, Lanes x, std::size_t p, std::size_t, auto) const {
        return Vector::mul(x, Vector::set(factor[p * stride]));
    }
};

struct Relu : Plain {
    Lanes apply(None, Lanes x, std::size_t, std::size_t, auto) const {
        return Vector::max(Vector::zero(), x);
    }
};

// A slope of 0 has a step of its own: infinity times 0 is no number.
struct Clamp : Plain {
    float low, high;
    Lanes apply(None, Lanes x, std::size_t, std::size_t, auto) const {
        return Vector::max(Vector::set(low), Vector::min(Vector::set(high), x));
    }
};

struct Clip : Plain {
    float low, high, slope;
    Lanes apply(None, Lanes x, std::size_t, std::size_t, auto) const {
        const Lanes border = Vector::max(Vector::set(low), Vector::min(Vector::set(high), x));
        const Lanes rise = Vector::mul(Vector::sub(x, border), Vector::set(slope));
        // Between the borders x is taken as it is: infinity minus itself is no number.
        return Vector::equal(x, border, x, Vector::add(border, rise));
    }
};

struct Triple {
    Lanes slope, before, after;
};

struct Prelu : PerChannel {
    const float *slope, *before, *after;
    Triple at(std::size_t c, auto lanes) const {
        return {load(slope + c, lanes), before ? load(before + c, lanes) : Vector::zero(),
                after ? load(after + c, lanes) : Vector::zero()};
    }
    Lanes apply(Triple of, Lanes x, std::size_t, std::size_t, auto) const {
        const Lanes y = Vector::add(x, of.before);
        const Lanes bent = Vector::at_least(y, Vector::zero(), y, Vector::mul(y, of.slope));
        return Vector::add(bent, of.after);
    }
};

struct Signs : PerChannel {
    const float* threshold;
    Lanes at(std::size_t c, auto lanes) const {
        return threshold ? load(threshold + c, lanes) : Vector::zero();
    }
    Lanes apply(Lanes of, Lanes x, std::size_t, std::size_t, auto) const {
        return Vector::at_least(x, of, Vector::set(1.0f), Vector::set(-1.0f));
    }
};

// PIXELS pixels from p, one vector of channels from c.
template <std::size_t PIXELS>
inline void tile(const Rows& rows, const auto& step, std::size_t p, std::size_t c, auto lanes) {
    const auto of = step.at(c, lanes);
    const float* from = rows.data + p * rows.stride + c;
    const std::size_t to_stride = rows.to ? rows.to_stride : rows.stride;
    float* to = (rows.to ? rows.to : rows.data) + p * to_stride + c;
#pragma GCC unroll 4
    for (std::size_t i = 0; i < PIXELS; ++i, from += rows.stride, to += to_stride) {
        store(to, step.apply(of, load(from, lanes), p + i, c, lanes), lanes);
    }
}

template <std::size_t PIXELS>
inline void band(const Rows& rows, const auto& step, std::size_t p) {
    std::size_t c = 0;
    for (; c + Vector::width <= rows.channels; c += Vector::width) {
        tile<PIXELS>(rows, step, p, c, All{});
    }
    if (c < rows.channels) tile<PIXELS>(rows, step, p, c, Vector::first(rows.channels - c));
}

// Copies of what is given: what is stored could otherwise be a part of it, for all the compiler
// knows.
inline void run(const Rows& given, const auto& like) {
    const auto step = like;
    Rows rows = given;
    const bool without_gaps =
        rows.stride == rows.channels && (!rows.to || rows.to_stride == rows.channels);
    if (without_gaps && step.flat(rows.channels)) {
        const std::size_t all = rows.channels * rows.pixels;
        rows = {rows.data, all, 1, all, rows.to, all};
    }
    std::size_t p = 0;
    for (; p + 4 <= rows.pixels; p += 4) band<4>(rows, step, p);
    for (; p < rows.pixels; ++p) band<1>(rows, step, p);
}

void affine(const Rows& rows, const float* scale, const float* bias) {
    run(rows, Affine{{}, scale, bias});
}

void affine_add(const Rows& rows, const float* scale, const float* bias, const float* other,
                std::size_t other_stride) {
    run(rows, AffineAdd{{{}, scale, bias}, other, other_stride});
}

void add(const Rows& rows, const float* other, std::size_t other_stride) {
    run(rows, Add{{{}, other, other_stride}});
}

void multiply(const Rows& rows, const float* other, std::size_t other_stride) {
    run(rows, Multiply{{{}, other, other_stride}});
}

void scale_pixels(const Rows& rows, const float* factor, std::size_t factor_stride) {
    run(rows, ScalePixels{{}, factor, factor_stride});
}

void relu(const Rows& rows) {
    run(rows, Relu{});
}

void clip(const Rows& rows, float low, float high, float slope) {
    if (slope == 0) {
        run(rows, Clamp{{}, low, high});
    } else {
        run(rows, Clip{{}, low, high, slope});
    }
}

void prelu(const Rows& rows, const float* slope, const float* before, const float* after) {
    run(rows, Prelu{{}, slope, before, after});
}

void signs(const Rows& rows, const float* threshold) {
    run(rows, Signs{{}, threshold});
}

constexpr PointwiseKernels kernels{.affine = affine,
                                   .affine_add = affine_add,
                                   .add = add,
                                   .multiply = multiply,
                                   .scale_pixels = scale_pixels,
                                   .relu = relu,
                                   .clip = clip,
                                   .prelu = prelu,
                                   .signs = signs};

}  // namespace
}  // namespace bitgrove::pointwise
