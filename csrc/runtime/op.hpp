// An operator of a packed network: built once with its tensors, run many times without allocation.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "../dispatch/table.hpp"
#include "layout.hpp"
#include "tile.hpp"
#include "trees.hpp"

namespace bitgrove::runtime {

// What one run of an operator costs, for the table by layer.
struct Work {
    double binary_macs = 0, real_macs = 0;
    std::size_t weight_bytes = 0;  // as they lie in memory
};

class Op {
  public:
    explicit Op(Value result) : result(result) {}
    virtual ~Op() = default;

    // What this operator reads around an input.
    virtual Border border() const { return {}; }
    // Called once, when the level and the places of the inputs are known.
    virtual void prepare(const Kernels&, std::span<const Layout>) {}
    virtual Work work() const { return {}; }

    const Value result;
};

// Where an operator reads during one run.
struct Call {
    const Kernels& kernels;
    std::span<const View> views;  // of all values
    std::span<const std::size_t> inputs;
    const View* streamed;  // what stands in for the first input, or null
    std::byte* scratch;    // 64-byte aligned

    const View& in(std::size_t i) const {
        return i == 0 && streamed ? *streamed : views[inputs[i]];
    }
};

// Makes tiles of real numbers out of stored values.
class Producer : public Op {
  public:
    using Op::Op;
    virtual void run(const Call& call, const Part& part, Sink& sink) const = 0;
    virtual std::size_t scratch_bytes() const { return 0; }
    // Whether parts may have some of the channels only, in whole sixty-fours.
    virtual bool splits_channels() const { return false; }
    // Rows of the input that one row of the result reads, if it asks for each by View::at and its
    // input may therefore be made while it is read; else 0.
    virtual std::size_t window_rows() const { return 0; }
    // The first and the last such row.
    virtual Range rows_read(std::size_t) const { return {0, 0}; }
    // A row of the result costs the same, made by itself.
    virtual bool makes_single_rows() const { return false; }

    // Asked to read the image as it came, float32[c][h][w] at the view's origin, instead of a
    // stored value: whether it will. Called before prepare().
    virtual bool take_planes() { return false; }

    // What is left to do to each channel of the tiles, as the steps after them; empty for nothing.
    std::vector<float> scale, bias;
};

// Changes tiles in place. The first input is the tile; the others are stored.
class Step : public Op {
  public:
    using Op::Op;
    virtual void apply(const Kernels& kernels, std::span<const View> others, Tile& tile) const = 0;
    // Whether it does all by Tile::rows(), so that the results may go elsewhere.
    virtual bool moves() const { return false; }
    // Whether the tile may be any of the inputs.
    virtual bool commutes() const { return false; }
};

// Writes the signs of tiles.
class Packer : public Op {
  public:
    using Op::Op;
    virtual void pack(const Kernels& kernels, const Tile& tile, const View& out) const = 0;
};

// Makes bits out of bits.
class BitOp : public Op {
  public:
    using Op::Op;
    virtual void run(const Call& call, const Part& part, const View& out) const = 0;
    virtual std::size_t scratch_bytes() const { return 0; }
};

using OpPtr = std::unique_ptr<Op>;
using Floats = std::span<const float>;
using Bytes = std::span<const std::uint8_t>;

// The makers below check their arguments and throw std::invalid_argument with the reason. Empty
// spans stand for an absent tensor. `pad_value` is -1, 0 or +1.

// weight: float32[out][kd][kh][kw][in/groups]; bias: float32[out] or empty.
OpPtr make_conv(const Value& in, Floats weight, Floats bias, std::size_t out_channels,
                const Window& window, std::size_t groups, int pad_value);
// weight: uint8[out][kd][kh][kw][ceil(in/groups/8)], np.packbits order, on real values.
OpPtr make_binary_weight_conv(const Value& in, Bytes weight, Floats scale, Floats bias,
                              std::size_t out_channels, const Window& window, std::size_t groups,
                              int pad_value);
// weight: int8 as in make_conv, -127 to 127. The input becomes bytes: x / step rounded to the
// nearest, ties to even, plus zero, clamped to 0 to 255; the border is zero. The result is
// scale[o] * (sum of weight * (byte - zero)) + bias[o].
OpPtr make_byte_conv(const Value& in, std::span<const std::int8_t> weight, Floats scale,
                     Floats bias, std::size_t out_channels, const Window& window,
                     std::size_t groups, float step, int zero);

// sign(x - threshold) per channel, flipped where a bit of `flip` (np.packbits order) is set.
OpPtr make_sign(const Value& in, Floats threshold, Bytes flip, std::size_t groups);
// The same as +1 and -1 in real numbers, for a real convolution.
OpPtr make_binarise(const Value& in, Floats threshold, Bytes flip);

// weight: uint8[out][kd][kh][kw][ceil(in/groups/8)], np.packbits order; result is
// scale[o] * (integer dot product) + bias[o].
OpPtr make_binary_conv(const Value& in, Bytes weight, Floats scale, Floats bias,
                       std::size_t out_channels, const Window& window, std::size_t groups,
                       int pad_value);

// Of a convolution of ferns, tests in the order [groups][ferns][depth].
struct FernTensors {
    std::size_t depth = 0;
    std::span<const std::int32_t> place;  // channel * taps + tap
    Floats threshold;
    Bytes flip, outside;                 // np.packbits order
    std::span<const std::int8_t> table;  // [groups][ferns][2^depth][out/groups]
    Floats scale, bias;
};
// A test says (x >= threshold) != flip, and `outside` where it reads beyond the input; the first
// one of a fern is the lowest bit of the row that the fern adds. The result is
// scale[o] * (sum of the rows) + bias[o].
OpPtr make_fern_conv(const Value& in, const FernTensors& tensors, std::size_t out_channels,
                     const Window& window, std::size_t groups);

OpPtr make_affine(const Value& in, Floats scale, Floats bias);  // per channel
// map: float32 of the sides of `map_shape`, each that of the input or 1, which serves all.
OpPtr make_scale_map(const Value& in, Floats map, const Shape& map_shape);
OpPtr make_add(const Value& a, const Value& b);
// A channel of b may serve several of a's, and a single pixel of b all of a's.
OpPtr make_multiply(const Value& a, const Value& b);
OpPtr make_concat(std::span<const Value> inputs);  // of channels
OpPtr make_relu(const Value& in);
OpPtr make_sigmoid(const Value& in);
// x between low and high, and beyond them a line of this slope.
OpPtr make_clip(const Value& in, float low, float high, float slope);
// prelu(x + before) + after; the shifts may be empty.
OpPtr make_prelu(const Value& in, Floats slope, Floats before, Floats after);
OpPtr make_flatten(const Value& in);  // to (1, 1, 1, c*d*h*w), channel-major as in torch

OpPtr make_max_pool(const Value& in, const Window& window);
OpPtr make_avg_pool(const Value& in, const Window& window, bool count_padding);
// Means over a grid of cells that cover the input and may overlap.
OpPtr make_adaptive_avg_pool(const Value& in, const Triple& size);
// XNOR-Net's K: the mean of |x| over the channels of each group, averaged over the window (padding
// counts as 0); the result has one channel per group.
OpPtr make_input_scale(const Value& in, const Window& window, std::size_t groups);

enum class Upsampling { nearest, linear };
// Output o reads the input around o * step (nearest), or around (o + 0.5) * step - 0.5 (linear).
OpPtr make_upsample(const Value& in, const Triple& size, const std::array<float, 3>& step,
                    Upsampling mode);
OpPtr make_pad(const Value& in, const Triple& before, const Triple& after, float value);

// Of each pixel: bias, and the leaves that its channels reach, added in the order of the trees.
OpPtr make_forest(const Value& in, const Trees& trees);
// The questions of random ferns about the channels of a pixel, all of shape [ferns][depth]: is
// channel `feature` above the threshold (0 if there is none), or above channel `other`? The answers
// to a fern's questions, the first being bit 0, number its leaf.
struct FernTable {
    std::size_t depth;
    std::span<const std::int32_t> feature, other;
    Floats threshold, bias;
};
// leaf: float32[ferns << depth][out]; the result is the sum of the ferns' leaves in their order,
// plus bias.
OpPtr make_ferns(const Value& in, const FernTable& table, Floats leaf);
// codes: int8, the same in steps of `scale`, one number; the sum is one of integers.
OpPtr make_ferns(const Value& in, const FernTable& table, std::span<const std::int8_t> codes,
                 Floats scale);

}  // namespace bitgrove::runtime
