// Binary convolution: packed patches against packed filters.
#include "aligned.hpp"
#include "op.hpp"
#include "packed_rows.hpp"
#include "sign_conv.hpp"
#include "window_runs.hpp"
#include "zero_border.hpp"

namespace bitgrove::runtime {
namespace {

constexpr std::size_t cached_bytes = 40 * 1024;

class BinaryConv : public Producer {
  public:
    BinaryConv(const Value& in, const Value& result, Bytes weight, Floats scale, Floats bias,
               const Window& window, int pad_value)
        : Producer(result),
          in_(in),
          window_(window),
          pad_value_(pad_value),
          weight_(words_from_bytes(weight, result.shape.c * window.taps(), channels())) {
        this->scale.assign(scale.begin(), scale.end());
        this->bias.assign(bias.begin(), bias.end());
    }

    Border border() const override {
        return window_border(window_, in_.shape, result.shape, pad_value_);
    }

    void prepare(const Kernels& kernels, std::span<const Layout> inputs) override {
        // A unit that multiplies matrices pays where enough products share a widened input, and
        // enough pixels the filters.
        const bool pays = window_.taps() * outs() > 512 && result.shape.pixels() >= 16;
        if (kernels.sign_dots && in_.groups == 1 && pays && SignConv::serves(inputs[0], window_)) {
            signs_ = std::make_unique<SignConv>(*kernels.sign_dots, inputs[0], window_, pad_value_,
                                                result.shape, weight_);
            weight_bytes_ = signs_->weight_bytes();
        } else {
            pack(*kernels.binary_dots, inputs[0]);
            if (pad_value_ == 0 && !border().empty()) {
                zeros_ = ZeroBorder(window_, in_.shape, result.shape, tap_sums());
                needs_zeros_ = true;
            }
        }
        weight_ = {};
    }

    std::size_t scratch_bytes() const override {
        return signs_ ? signs_->scratch_bytes() : needs_zeros_ ? outs() * sizeof(float) : 0;
    }

    void run(const Call& call, const Part& part, Sink& sink) const override {
        if (signs_) {
            signs_->run(call, part, sink);
            return;
        }
        const std::size_t groups = in_.groups, words = in_.words_per_group();
        const auto compute = [&](const Tile& tile) {
            const std::size_t first = groups == 1 ? tile.channel : 0;
            const std::size_t outs = groups == 1 ? tile.channels : this->outs();
            const std::byte* x = window_start(window_, call.in(0), tile.z, tile.y, tile.x);
            BinaryDots dots{.x = reinterpret_cast<const std::uint64_t*>(x),
                            .pixel_stride = distance(window_.stride[2] * in_.words_per_pixel()),
                            .pixels = tile.pixels,
                            .runs = runs_.data(),
                            .run_count = runs_.size(),
                            .words = window_.taps() * words,
                            .weight = packed_.get() + first / block_ * block_bytes_,
                            .outs = outs,
                            .length = static_cast<std::int32_t>(window_.taps() * channels()),
                            .out = tile.data,
                            .out_stride = tile.stride};
            for (std::size_t g = 0; g < groups; ++g) {
                call.kernels.binary_dots->run(dots);
                if (needs_zeros_)
                    zeros_.correct(call.kernels, tile, first + g * outs, outs, dots.out,
                                   reinterpret_cast<float*>(call.scratch));
                dots.x += words;
                dots.weight = static_cast<const std::byte*>(dots.weight) + group_bytes_;
                dots.out += outs;
            }
        };
        // Filters that do not fit into first-level cache are used for many pixels at a time.
        const bool large = groups == 1 && group_bytes_ > cached_bytes && result.shape.pixels() > 1;
        each_tile(part, result.shape, sink, compute, large ? 64 : 0);
    }

    Work work() const override {
        const double macs = static_cast<double>(result.shape.size()) *
                            static_cast<double>(window_.taps() * channels());
        return {.binary_macs = macs, .weight_bytes = weight_bytes_};
    }

    bool splits_channels() const override { return in_.groups == 1; }

  private:
    std::size_t channels() const { return in_.shape.c / in_.groups; }  // that a filter reads
    std::size_t outs() const { return result.shape.c / in_.groups; }

    void pack(const BinaryDotsKernels& dots, const Layout& in) {
        const std::size_t words = window_.taps() * in_.words_per_group();
        runs_ = window_runs(window_, in, sizeof(std::uint64_t), in_.words_per_group());
        block_ = dots.block;
        block_bytes_ = dots.block_bytes(words);
        group_bytes_ = (outs() + block_ - 1) / block_ * block_bytes_;
        weight_bytes_ = in_.groups * group_bytes_;
        packed_ = allocate(weight_bytes_);
        for (std::size_t g = 0; g < in_.groups; ++g) {
            dots.pack(weight_.data() + g * outs() * words, outs(), words,
                      packed_.get() + g * group_bytes_);
        }
    }

    std::vector<std::int32_t> tap_sums() const {
        const std::size_t words = in_.words_per_group(), taps = window_.taps();
        std::vector<std::int32_t> sums(taps * result.shape.c);
        for (std::size_t row = 0; row < result.shape.c * taps; ++row) {
            std::int32_t ones = 0;
            for (std::size_t w = 0; w < words; ++w) {
                ones += __builtin_popcountll(weight_[row * words + w]);
            }
            sums[row % taps * result.shape.c + row / taps] =
                2 * ones - static_cast<std::int32_t>(channels());
        }
        return sums;
    }

    Value in_;
    Window window_;
    int pad_value_;
    std::vector<std::uint64_t> weight_;  // [out][taps][words per group], until prepare()
    std::vector<Run> runs_;
    std::size_t block_ = 0, block_bytes_ = 0, group_bytes_ = 0, weight_bytes_ = 0;
    Aligned packed_;
    ZeroBorder zeros_;
    bool needs_zeros_ = false;
    std::unique_ptr<SignConv> signs_;  // on CPUs that multiply matrices of bytes
};

}  // namespace

OpPtr make_binary_conv(const Value& in, Bytes weight, Floats scale, Floats bias,
                       std::size_t out_channels, const Window& window, std::size_t groups,
                       int pad_value) {
    require(in.kind == Kind::bits, "the input must be bits: put a sign before it");
    require(in.groups == groups, "the sign before it packs " + std::to_string(in.groups) +
                                     " groups, this convolution has " + std::to_string(groups));
    require(out_channels >= 1 && out_channels % groups == 0,
            "groups must divide the output channels");
    const std::size_t channels = in.shape.c / groups;
    require_packed(weight, out_channels * window.taps(), channels);
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
