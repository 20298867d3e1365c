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
        const std::size_t pixels = result.shape.pixels();
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

class Binarise : public Op {
  public:
    Binarise(const Value& in, Floats threshold, Bytes flip)
        : Op(in), threshold_(threshold.begin(), threshold.end()), above_(in.shape.c, 1.0f) {
        threshold_.resize(in.shape.c, 0.0f);
        for (std::size_t c = 0; c < in.shape.c && !flip.empty(); ++c) {
            if (flip[c / 8] >> (7 - c % 8) & 1) above_[c] = -1.0f;
        }
    }

    void run(const Call& call) const override {
        const std::size_t channels = result.shape.c;
        for (std::size_t i = 0; i < result.shape.size(); ++i) {
            const std::size_t c = i % channels;
            call.real_out()[i] = call.real()[i] >= threshold_[c] ? above_[c] : -above_[c];
        }
    }

  private:
    std::vector<float> threshold_, above_;
};

void check(const Value& in, Floats threshold, Bytes flip) {
    require_real(in);
    require(threshold.empty() || threshold.size() == in.shape.c,
            "threshold must have one number per channel");
    require(flip.empty() || flip.size() == (in.shape.c + 7) / 8,
            "flip must have one bit per channel");
}

}  // namespace

OpPtr make_sign(const Value& in, Floats threshold, Bytes flip, std::size_t groups) {
    check(in, threshold, flip);
    require(groups >= 1 && in.shape.c % groups == 0, "groups must divide the channels");
    return std::make_unique<Sign>(in, Value{Kind::bits, in.shape, groups}, threshold, flip);
}

OpPtr make_binarise(const Value& in, Floats threshold, Bytes flip) {
    check(in, threshold, flip);
    return std::make_unique<Binarise>(in, threshold, flip);
}

}  // namespace bitgrove::runtime
