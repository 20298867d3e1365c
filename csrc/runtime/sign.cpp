// Real activations to bits.
#include "sign.hpp"

namespace bitgrove::runtime {

Sign::Sign(const Value& in, std::size_t groups, Floats threshold, std::vector<std::uint64_t> flip)
    : Packer(Value{Kind::bits, in.shape, groups}),
      channels_(in.shape.c / groups),
      threshold_(threshold.begin(), threshold.end()),
      flip_(std::move(flip)) {}

void Sign::pack(const Kernels& kernels, const Tile& tile, const View& out) const {
    const float* threshold = threshold_.empty() ? nullptr : threshold_.data();
    const std::uint64_t* flip = flip_.empty() ? nullptr : flip_.data();
    std::uint64_t* to = out.bits(distance(tile.z), distance(tile.y), distance(tile.x));
    // All channels of a group, or, of one group, a part that starts at a whole word.
    for (std::size_t g = 0; g < result.groups; ++g) {
        const std::size_t at = result.groups == 1 ? tile.channel : g * channels_;
        const std::size_t count = result.groups == 1 ? tile.channels : channels_;
        const std::size_t word = result.groups == 1 ? at / 64 : g * result.words_per_group();
        kernels.pack_signs(tile.data + at - tile.channel, tile.pixels, count, tile.stride,
                           threshold ? threshold + at : nullptr, flip ? flip + word : nullptr,
                           to + word, result.words_per_pixel());
    }
}

namespace {

class Binarise : public Step {
  public:
    Binarise(const Value& in, Floats threshold, Bytes flip)
        : Step(in), threshold_(threshold.begin(), threshold.end()) {
        if (flip.empty()) return;
        above_.resize(in.shape.c, 1.0f);
        for (std::size_t c = 0; c < in.shape.c; ++c) {
            if (flip[c / 8] >> (7 - c % 8) & 1) above_[c] = -1.0f;
        }
    }

    void apply(const Kernels& kernels, std::span<const View>, Tile& tile) const override {
        const float* threshold = threshold_.empty() ? nullptr : threshold_.data() + tile.channel;
        kernels.pointwise->signs(tile.rows(), threshold);
        if (!above_.empty()) {
            kernels.pointwise->affine(tile.rows(), above_.data() + tile.channel, nullptr);
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

// Bits per channel in np.packbits order, as the words of a pixel.
std::vector<std::uint64_t> pixel_words(Bytes bits, const Value& value) {
    std::vector<std::uint64_t> words;
    if (bits.empty()) return words;
    words.resize(value.words_per_pixel(), 0);
    const std::size_t channels = value.shape.c / value.groups;
    for (std::size_t c = 0; c < value.shape.c; ++c) {
        const std::uint64_t bit = bits[c / 8] >> (7 - c % 8) & 1;
        const std::size_t group = c / channels, inner = c % channels;
        words[group * value.words_per_group() + inner / 64] |= bit << (inner % 64);
    }
    return words;
}

}  // namespace

OpPtr make_sign(const Value& in, Floats threshold, Bytes flip, std::size_t groups) {
    check(in, threshold, flip);
    require(groups >= 1 && in.shape.c % groups == 0, "groups must divide the channels");
    const Value result{Kind::bits, in.shape, groups};
    return std::make_unique<Sign>(in, groups, threshold, pixel_words(flip, result));
}

OpPtr make_binarise(const Value& in, Floats threshold, Bytes flip) {
    check(in, threshold, flip);
    return std::make_unique<Binarise>(in, threshold, flip);
}

}  // namespace bitgrove::runtime
