// Real convolution: patches gathered into rows, then one matrix product for each tile of pixels.
#include <algorithm>

#include "op.hpp"

namespace bitgrove::runtime {
namespace {

constexpr std::size_t tile_pixels = 64;

class Conv : public Op {
  public:
    Conv(const Value& in, Value result, Floats weight, Floats bias, const Window& window,
         std::size_t groups, float pad_value)
        : Op(result),
          in_(in.shape),
          window_(window),
          groups_(groups),
          pad_value_(pad_value),
          bias_(bias.begin(), bias.end()) {
        // The matrix product wants [patch][out]; the file holds [out][patch].
        const std::size_t patch = patch_size(), outs = result.shape.c / groups;
        weight_.resize(weight.size());
        for (std::size_t g = 0; g < groups; ++g) {
            for (std::size_t o = 0; o < outs; ++o) {
                for (std::size_t p = 0; p < patch; ++p) {
                    weight_[(g * patch + p) * outs + o] = weight[(g * outs + o) * patch + p];
                }
            }
        }
    }

    std::size_t scratch_bytes() const override {
        return tile_pixels * (patch_size() + result.shape.c / groups_) * sizeof(float);
    }

    void run(const Call& call) const override {
        const std::size_t outs = result.shape.c / groups_, patch = patch_size();
        const float* bias = bias_.empty() ? nullptr : bias_.data();
        if (pointwise()) {
            call.kernels.gemm(call.real(), weight_.data(), bias, in_.pixels(), outs, patch,
                              call.real_out());
            return;
        }
        float* patches = static_cast<float*>(call.scratch);
        float* products = patches + tile_pixels * patch;
        const std::size_t pixels = result.shape.pixels();
        for (std::size_t first = 0; first < pixels; first += tile_pixels) {
            const std::size_t count = std::min(tile_pixels, pixels - first);
            for (std::size_t g = 0; g < groups_; ++g) {
                for (std::size_t i = 0; i < count; ++i) {
                    gather(call.real(), first + i, g, patches + i * patch);
                }
                float* target = call.real_out() + first * result.shape.c;
                call.kernels.gemm(patches, weight_.data() + g * patch * outs,
                                  bias ? bias + g * outs : nullptr, count, outs, patch,
                                  groups_ == 1 ? target : products);
                if (groups_ == 1) continue;
                for (std::size_t i = 0; i < count; ++i) {
                    std::copy_n(products + i * outs, outs, target + i * result.shape.c + g * outs);
                }
            }
        }
    }

  private:
    std::size_t patch_size() const { return window_.taps() * (in_.c / groups_); }

    bool pointwise() const {
        return groups_ == 1 && window_.taps() == 1 && window_.stride == Triple{1, 1, 1} &&
               window_.padding == Triple{0, 0, 0};
    }

    void gather(const float* x, std::size_t pixel, std::size_t group, float* patch) const {
        const std::size_t channels = in_.c / groups_;
        every_tap(window_, in_, place(pixel, result.shape),
                  [&](std::size_t, bool inside, std::size_t at) {
                      if (inside) {
                          std::copy_n(x + at * in_.c + group * channels, channels, patch);
                      } else {
                          std::fill_n(patch, channels, pad_value_);
                      }
                      patch += channels;
                  });
    }

    Shape in_;
    Window window_;
    std::size_t groups_;
    float pad_value_;
    std::vector<float> weight_;  // [groups][patch][out / groups]
    std::vector<float> bias_;
};

// Every input channel by itself: few numbers for each output, so taps outside and channels inside.
class Depthwise : public Op {
  public:
    Depthwise(const Value& in, Value result, Floats weight, Floats bias, const Window& window,
              float pad_value)
        : Op(result),
          in_(in.shape),
          window_(window),
          multiplier_(result.shape.c / in.shape.c),
          pad_value_(pad_value),
          bias_(bias.begin(), bias.end()) {
        const std::size_t outs = result.shape.c, taps = window.taps();
        bias_.resize(outs, 0.0f);
        weight_.resize(weight.size());
        for (std::size_t o = 0; o < outs; ++o) {
            for (std::size_t t = 0; t < taps; ++t) weight_[t * outs + o] = weight[o * taps + t];
        }
    }

    void run(const Call& call) const override {
        const std::size_t outs = result.shape.c;
        float* out = call.real_out();
        for (std::size_t p = 0; p < result.shape.pixels(); ++p, out += outs) {
            std::copy(bias_.begin(), bias_.end(), out);
            every_tap(window_, in_, place(p, result.shape),
                      [&](std::size_t tap, bool inside, std::size_t at) {
                          const float* weight = weight_.data() + tap * outs;
                          if (inside) {
                              accumulate(weight, call.real() + at * in_.c, out);
                          } else if (pad_value_ != 0) {
                              for (std::size_t o = 0; o < outs; ++o) {
                                  out[o] += weight[o] * pad_value_;
                              }
                          }
                      });
        }
    }

  private:
    void accumulate(const float* weight, const float* x, float* out) const {
        if (multiplier_ == 1) {
            for (std::size_t c = 0; c < in_.c; ++c) out[c] += weight[c] * x[c];
            return;
        }
        for (std::size_t c = 0; c < in_.c; ++c) {
            for (std::size_t m = c * multiplier_; m < (c + 1) * multiplier_; ++m) {
                out[m] += weight[m] * x[c];
            }
        }
    }

    Shape in_;
    Window window_;
    std::size_t multiplier_;  // outputs of each input channel
    float pad_value_;
    std::vector<float> weight_;  // [taps][out]
    std::vector<float> bias_;
};

}  // namespace

OpPtr make_conv(const Value& in, Floats weight, Floats bias, std::size_t out_channels,
                const Window& window, std::size_t groups, int pad_value) {
    require_real(in);
    require(groups >= 1 && in.shape.c % groups == 0 && out_channels % groups == 0,
            "groups must divide the channels of input and output");
    require(weight.size() == out_channels * window.taps() * (in.shape.c / groups),
            "weight must have shape (out, kernel..., in / groups)");
    require(bias.empty() || bias.size() == out_channels, "bias must have one number per channel");
    require(pad_value >= -1 && pad_value <= 1, "pad_value must be -1, 0 or 1");
    const Value result{Kind::real, window.out(in.shape, out_channels)};
    const auto pad = static_cast<float>(pad_value);
    if (groups > 1 && groups == in.shape.c) {
        return std::make_unique<Depthwise>(in, result, weight, bias, window, pad);
    }
    return std::make_unique<Conv>(in, result, weight, bias, window, groups, pad);
}

}  // namespace bitgrove::runtime
