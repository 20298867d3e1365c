// Real convolution: patches gathered into rows, then one matrix product for each tile of pixels.
#include <algorithm>

#include "op.hpp"

namespace bitgrove::runtime {
namespace {

constexpr std::size_t tile_pixels = 64;

class Conv2d : public Op {
  public:
    Conv2d(const Value& in, Value result, Floats weight, Floats bias, const Window& window,
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
            call.kernels.gemm(call.real(), weight_.data(), bias, in_.h * in_.w, outs, patch,
                              call.real_out());
            return;
        }
        float* patches = static_cast<float*>(call.scratch);
        float* products = patches + tile_pixels * patch;
        const std::size_t pixels = result.shape.h * result.shape.w;
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
        return groups_ == 1 && window_.taps() == 1 && window_.stride[0] == 1 &&
               window_.stride[1] == 1 && window_.padding[0] == 0 && window_.padding[1] == 0;
    }

    void gather(const float* x, std::size_t pixel, std::size_t group, float* patch) const {
        const std::size_t channels = in_.c / groups_;
        const std::size_t oy = pixel / result.shape.w, ox = pixel % result.shape.w;
        for (std::size_t ty = 0; ty < window_.kernel[0]; ++ty) {
            for (std::size_t tx = 0; tx < window_.kernel[1]; ++tx, patch += channels) {
                std::size_t y, xx;
                const bool inside =
                    window_.source(oy, ty, in_.h, 0, y) & window_.source(ox, tx, in_.w, 1, xx);
                if (inside) {
                    std::copy_n(x + (y * in_.w + xx) * in_.c + group * channels, channels, patch);
                } else {
                    std::fill_n(patch, channels, pad_value_);
                }
            }
        }
    }

    Shape in_;
    Window window_;
    std::size_t groups_;
    float pad_value_;
    std::vector<float> weight_;  // [groups][patch][out / groups]
    std::vector<float> bias_;
};

}  // namespace

OpPtr make_conv2d(const Value& in, Floats weight, Floats bias, std::size_t out_channels,
                  const Window& window, std::size_t groups, int pad_value) {
    require(in.kind == Kind::real, "the input must be real");
    require(groups >= 1 && in.shape.c % groups == 0 && out_channels % groups == 0,
            "groups must divide the channels of input and output");
    require(weight.size() == out_channels * window.taps() * (in.shape.c / groups),
            "weight must have shape (out, kh, kw, in / groups)");
    require(bias.empty() || bias.size() == out_channels, "bias must have one number per channel");
    require(pad_value >= -1 && pad_value <= 1, "pad_value must be -1, 0 or 1");
    const Shape out{window.out(in.shape.h, 0), window.out(in.shape.w, 1), out_channels};
    return std::make_unique<Conv2d>(in, Value{Kind::real, out}, weight, bias, window, groups,
                                    static_cast<float>(pad_value));
}

}  // namespace bitgrove::runtime
