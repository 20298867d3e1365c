// An operator of a packed network: built once with its tensors, run many times without allocation.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "../dispatch/table.hpp"
#include "window.hpp"

namespace bitgrove::runtime {

// Where one operator reads and writes during one call.
struct Call {
    const Kernels& kernels;
    std::span<const void* const> in;
    void* out;
    void* scratch;  // Op::scratch_bytes() bytes, 64-byte aligned

    const float* real(int i = 0) const { return static_cast<const float*>(in[i]); }
    const std::uint64_t* bits() const { return static_cast<const std::uint64_t*>(in[0]); }
    float* real_out() const { return static_cast<float*>(out); }
    std::uint64_t* bits_out() const { return static_cast<std::uint64_t*>(out); }
};

class Op {
  public:
    explicit Op(Value result) : result(result) {}
    virtual ~Op() = default;
    virtual void run(const Call& call) const = 0;
    virtual std::size_t scratch_bytes() const { return 0; }

    const Value result;
};

using OpPtr = std::unique_ptr<Op>;
using Floats = std::span<const float>;
using Bytes = std::span<const std::uint8_t>;

// The makers below check their arguments and throw std::invalid_argument with the reason. Empty
// spans stand for an absent tensor. `pad_value` is -1, 0 or +1.

// weight: float32[out][kd][kh][kw][in/groups]; bias: float32[out] or empty.
OpPtr make_conv(const Value& in, Floats weight, Floats bias, std::size_t out_channels,
                const Window& window, std::size_t groups, int pad_value);

// sign(x - threshold) per channel, flipped where a bit of `flip` (np.packbits order) is set.
OpPtr make_sign(const Value& in, Floats threshold, Bytes flip, std::size_t groups);
// The same as +1 and -1 in real numbers, for a real convolution.
OpPtr make_binarise(const Value& in, Floats threshold, Bytes flip);

// weight: uint8[out][kd][kh][kw][ceil(in/groups/8)], np.packbits order; result is
// scale[o] * (integer dot product) + bias[o].
OpPtr make_binary_conv(const Value& in, Bytes weight, Floats scale, Floats bias,
                       std::size_t out_channels, const Window& window, std::size_t groups,
                       int pad_value);

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

}  // namespace bitgrove::runtime
