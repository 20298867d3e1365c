// Real activations to bits.
#include "op.hpp"

namespace bitgrove::runtime {
namespace {

class Sign : public Op {
  public:
    Sign(const Value& in, Value result, Floats threshold, Bytes flip)
        : Op(result),
          channels_(in.shape.c / result.groups),
          threshold_(threshold.begin(), threshold.end()) {
        if (flip.empty()) return;
        flip_.resize(result.words_per_pixel(), 0);
        for (std::size_t c = 0; c < in.shape.c; ++c) {
            const std::uint64_t bit = flip[c / 8] >> (7 - c % 8) & 1;
            const std::size_t group = c / channels_, inner = c % channels_;
            flip_[group * result.words_per_group() + inner / 64] |= bit << (inner % 64);
        }
    }

    void run(const Call& call) const override {
        const std::size_t pixels = result.shape.h * result.shape.w;
        const float* threshold = threshold_.empty() ? nullptr : threshold_.data();
        const std::uint64_t* flip = flip_.empty() ? nullptr : flip_.data();
        if (result.groups == 1) {
            call.kernels.pack_signs(call.real(), pixels, channels_, threshold, flip,
                                    call.bits_out());
            return;
        }
        for (std::size_t p = 0; p < pixels; ++p) {
            for (std::size_t g = 0; g < result.groups; ++g) {
                const std::size_t at = g * channels_, word = g * result.words_per_group();
                call.kernels.pack_signs(call.real() + p * result.shape.c + at, 1, channels_,
                                        threshold ? threshold + at : nullptr,
                                        flip ? flip + word : nullptr,
                                        call.bits_out() + p * result.words_per_pixel() + word);
            }
        }
    }

  private:
    std::size_t channels_;  // per group
    std::vector<float> threshold_;
    std::vector<std::uint64_t> flip_;
};

}  // namespace

OpPtr make_sign(const Value& in, Floats threshold, Bytes flip, std::size_t groups) {
    require(in.kind == Kind::real, "the input must be real");
    require(groups >= 1 && in.shape.c % groups == 0, "groups must divide the channels");
    require(threshold.empty() || threshold.size() == in.shape.c,
            "threshold must have one number per channel");
    require(flip.empty() || flip.size() == (in.shape.c + 7) / 8,
            "flip must have one bit per channel");
    return std::make_unique<Sign>(in, Value{Kind::bits, in.shape, groups}, threshold, flip);
}

}  // namespace bitgrove::runtime
