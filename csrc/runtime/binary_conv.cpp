// Binary convolution: packed patches against packed filters by XOR and popcount.
#include <algorithm>

#include "op.hpp"

namespace bitgrove::runtime {
namespace {

constexpr std::size_t tile_pixels = 32;

// np.packbits numbers bits from the most significant; the kernels from the least.
std::uint8_t reversed(std::uint8_t byte) {
    std::uint8_t out = 0;
    for (int i = 0; i < 8; ++i) out |= static_cast<std::uint8_t>((byte >> i & 1) << (7 - i));
    return out;
}

std::vector<std::uint64_t> words_from_bytes(Bytes packed, std::size_t rows, std::size_t bits) {
    const std::size_t bytes = (bits + 7) / 8, words = words_for(bits);
    std::vector<std::uint64_t> out(rows * words, 0);
    for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t b = 0; b < bytes; ++b) {
            out[r * words + b / 8] |= static_cast<std::uint64_t>(reversed(packed[r * bytes + b]))
                                      << (b % 8 * 8);
        }
    }
    return out;
}

class BinaryConv : public Op {
  public:
    BinaryConv(const Value& in, Value result, Bytes weight, Floats scale, Floats bias,
               const Window& window, int pad_value)
        : Op(result),
          in_(in),
          window_(window),
          pad_value_(pad_value),
          weight_(words_from_bytes(weight, result.shape.c * window.taps(), in.shape.c / in.groups)),
          scale_(scale.begin(), scale.end()),
          bias_(bias.begin(), bias.end()) {
        if (pad_value_ == 0) sum_taps();
        const std::size_t channels = in.shape.c / in.groups;
        for (std::size_t w = 0; w < in.words_per_group(); ++w) {
            const std::size_t left = channels - w * 64;
            const std::uint64_t ones = left >= 64 ? ~0ull : (1ull << left) - 1;
            pad_words_.push_back(pad_value_ > 0 ? ones : 0);
        }
    }

    std::size_t scratch_bytes() const override {
        return tile_pixels * (patch_words() * sizeof(std::uint64_t) +
                              result.shape.c / in_.groups * sizeof(std::int32_t));
    }

    void run(const Call& call) const override {
        const std::size_t outs = result.shape.c / in_.groups, words = patch_words();
        auto* patches = static_cast<std::uint64_t*>(call.scratch);
        auto* counts = reinterpret_cast<std::int32_t*>(patches + tile_pixels * words);
        const std::size_t pixels = result.shape.pixels();
        for (std::size_t first = 0; first < pixels; first += tile_pixels) {
            const std::size_t count = std::min(tile_pixels, pixels - first);
            for (std::size_t g = 0; g < in_.groups; ++g) {
                for (std::size_t i = 0; i < count; ++i) {
                    gather(call.bits(), first + i, g, patches + i * words);
                }
                call.kernels.hamming(patches, count, weight_.data() + g * outs * words, outs, words,
                                     counts);
                for (std::size_t i = 0; i < count; ++i) {
                    finish(counts + i * outs, first + i, g * outs, outs, call.real_out());
                }
            }
        }
    }

  private:
    std::size_t patch_words() const { return window_.taps() * in_.words_per_group(); }

    void gather(const std::uint64_t* x, std::size_t pixel, std::size_t group,
                std::uint64_t* patch) const {
        const std::size_t words = in_.words_per_group();
        every_tap(window_, in_.shape, place(pixel, result.shape),
                  [&](std::size_t, bool inside, std::size_t at) {
                      const std::uint64_t* from =
                          inside ? x + at * in_.words_per_pixel() + group * words
                                 : pad_words_.data();
                      std::copy_n(from, words, patch);
                      patch += words;
                  });
    }

    // Turns the counts of a pixel into dot products, and these into its results.
    void finish(std::int32_t* counts, std::size_t pixel, std::size_t channel, std::size_t outs,
                float* out) const {
        const auto length = static_cast<std::int32_t>(window_.taps() * (in_.shape.c / in_.groups));
        for (std::size_t j = 0; j < outs; ++j) counts[j] = length - 2 * counts[j];
        if (pad_value_ == 0) take_back_padding(counts, pixel, channel, outs);
        float* target = out + pixel * result.shape.c + channel;
        for (std::size_t j = 0; j < outs; ++j) {
            float value = static_cast<float>(counts[j]);
            if (!scale_.empty()) value *= scale_[channel + j];
            if (!bias_.empty()) value += bias_[channel + j];
            target[j] = value;
        }
    }

    // Padding bits are 0, that is -1; a padding of 0 takes back what they contributed.
    void take_back_padding(std::int32_t* dots, std::size_t pixel, std::size_t channel,
                           std::size_t outs) const {
        every_tap(window_, in_.shape, place(pixel, result.shape),
                  [&](std::size_t tap, bool inside, std::size_t) {
                      if (inside) return;
                      const std::int32_t* sums = tap_sums_.data() + tap * result.shape.c + channel;
                      for (std::size_t j = 0; j < outs; ++j) dots[j] += sums[j];
                  });
    }

    void sum_taps() {
        const std::size_t words = in_.words_per_group(), taps = window_.taps();
        const std::size_t outs = result.shape.c;
        const auto channels = static_cast<std::int32_t>(in_.shape.c / in_.groups);
        tap_sums_.resize(taps * outs);
        for (std::size_t row = 0; row < outs * taps; ++row) {
            std::int32_t ones = 0;
            for (std::size_t w = 0; w < words; ++w) {
                ones += __builtin_popcountll(weight_[row * words + w]);
            }
            tap_sums_[row % taps * outs + row / taps] = 2 * ones - channels;
        }
    }

    Value in_;
    Window window_;
    int pad_value_;
    std::vector<std::uint64_t> weight_;     // [out][taps][words per group]
    std::vector<std::uint64_t> pad_words_;  // what a tap outside the input reads
    std::vector<std::int32_t> tap_sums_;    // [taps][out]: sum of the tap's signs
    std::vector<float> scale_, bias_;
};

}  // namespace

OpPtr make_binary_conv(const Value& in, Bytes weight, Floats scale, Floats bias,
                       std::size_t out_channels, const Window& window, std::size_t groups,
                       int pad_value) {
    require(in.kind == Kind::bits, "the input must be bits: put a sign before it");
    require(in.groups == groups, "the sign before it packs " + std::to_string(in.groups) +
                                     " groups, this convolution has " + std::to_string(groups));
    require(out_channels % groups == 0, "groups must divide the output channels");
    const std::size_t channels = in.shape.c / groups;
    require(weight.size() == out_channels * window.taps() * ((channels + 7) / 8),
            "weight must have shape (out, kernel..., ceil(in / groups / 8))");
    if (channels % 8) {
        const std::size_t bytes = (channels + 7) / 8;
        for (std::size_t at = bytes - 1; at < weight.size(); at += bytes) {
            require((weight[at] & (0xff >> channels % 8)) == 0, "padding bits must be zero");
        }
    }
    require(scale.empty() || scale.size() == out_channels,
            "scale must have one number per channel");
    require(bias.empty() || bias.size() == out_channels, "bias must have one number per channel");
    require(pad_value >= -1 && pad_value <= 1, "pad_value must be -1, 0 or 1");
    require(window.taps() * channels <= std::size_t{1} << 24,
            "a filter may have at most 2^24 weights, so that its sum is exact in float32");
    const Value result{Kind::real, window.out(in.shape, out_channels)};
    return std::make_unique<BinaryConv>(in, result, weight, scale, bias, window, pad_value);
}

}  // namespace bitgrove::runtime
