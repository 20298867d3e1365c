// Convolution of real values, with real filters or filters of one bit per weight.
#include <algorithm>

#include "aligned.hpp"
#include "op.hpp"
#include "packed_rows.hpp"
#include "rearrange.hpp"
#include "split_conv.hpp"
#include "window_runs.hpp"

namespace bitgrove::runtime {
namespace {

constexpr std::size_t cached_bytes = 32 * 1024;

class Conv : public Producer {
  public:
    Conv(const Value& in, const Value& result, const Window& window, std::size_t groups,
         int pad_value)
        : Producer(result),
          in_(in.shape),
          window_(window),
          groups_(groups),
          pad_value_(pad_value) {}

    Border border() const override { return window_border(window_, in_, result.shape, pad_value_); }

    void prepare(const Kernels& kernels, std::span<const Layout> inputs) override {
        if (kernels.split_dots && can_split()) {
            split_ = std::make_unique<SplitConv>(*kernels.split_dots, inputs[0], window_,
                                                 result.shape, weight_, kernel_bias_);
            weight_ = {};
            return;
        }
        runs_ = window_runs(window_, inputs[0], sizeof(float), channels());
        // The groups lie one after the other, each in whole blocks.
        const RealDotsKernels& dots = *kernels.real_dots;
        block_ = dots.block;
        block_bytes_ = bits_.empty() ? dots.block_bytes(size()) : dots.sign_block_bytes(size());
        group_bytes_ = (outs() + block_ - 1) / block_ * block_bytes_;
        packed_ = allocate(groups_ * group_bytes_);
        for (std::size_t g = 0; g < groups_; ++g) {
            std::byte* to = packed_.get() + g * group_bytes_;
            if (bits_.empty()) {
                dots.pack(weight_.data() + g * outs() * size(), outs(), size(), to);
            } else {
                const std::size_t words = words_for(size());
                dots.pack_signs(bits_.data() + g * outs() * words, outs(), size(), to);
            }
        }
        signs_ = !bits_.empty();
        weight_ = {};
        bits_ = {};
    }

    // Where a result could be that of split numbers, it is so whatever else reads the image.
    bool take_planes() override {
        return planes_ = in_.d == 1 && window_.padding[0] == 0 && !can_split();
    }

    std::size_t scratch_bytes() const override {
        if (split_) return split_->scratch_bytes();
        return planes_ ? window_.rows_under(rows_at_once()) * row_bytes() : 0;
    }

    void run(const Call& call, const Part& part, Sink& sink) const override {
        if (split_) {
            split_->run(call, part, sink);
        } else if (planes_) {
            run_planes(call, part, sink);
        } else {
            convolve(call, call.in(0), part, sink);
        }
    }

    void convolve(const Call& call, const View& in, const Part& part, Sink& sink) const {
        const auto kernel =
            signs_ ? call.kernels.real_dots->run_signs : call.kernels.real_dots->run;
        const auto compute = [&](const Tile& tile) {
            const std::size_t first = groups_ == 1 ? tile.channel : 0;
            const std::size_t outs = groups_ == 1 ? tile.channels : this->outs();
            const auto* x =
                reinterpret_cast<const float*>(window_start(window_, in, tile.z, tile.y, tile.x));
            RealDots dots{.x = x,
                          .pixel_stride = distance(window_.stride[2] * in_.c),
                          .pixels = tile.pixels,
                          .runs = runs_.data(),
                          .run_count = runs_.size(),
                          .size = size(),
                          .weight = packed_.get() + first / block_ * block_bytes_,
                          .bias = kernel_bias_.empty() ? nullptr : kernel_bias_.data() + first,
                          .outs = outs,
                          .out = tile.data,
                          .out_stride = tile.stride};
            for (std::size_t g = 0; g < groups_; ++g) {
                kernel(dots);
                dots.x += channels();
                dots.weight = static_cast<const std::byte*>(dots.weight) + group_bytes_;
                if (dots.bias) dots.bias += outs;
                dots.out += outs;
            }
        };
        // Filters that do not fit into first-level cache are used for many pixels at a time.
        const bool large = groups_ == 1 && group_bytes_ > cached_bytes && result.shape.pixels() > 1;
        each_tile(part, result.shape, sink, compute, large ? 64 : 0);
    }

    Work work() const override {
        const double macs = static_cast<double>(result.shape.size()) * static_cast<double>(size());
        const std::size_t bytes = split_ ? split_->weight_bytes() : groups_ * group_bytes_;
        return {.real_macs = macs, .weight_bytes = bytes};
    }

    bool splits_channels() const override { return groups_ == 1; }
    bool makes_single_rows() const override { return true; }
    // One row is read at a time.
    std::size_t window_rows() const override {
        return window_.kernel == Triple{1, 1, window_.kernel[2]} && border().empty() ? 1 : 0;
    }
    Range rows_read(std::size_t y) const override {
        return {y * window_.stride[1], y * window_.stride[1] + 1};
    }

    void set_weight(Floats weight, Floats bias) {
        weight_.assign(weight.begin(), weight.end());
        kernel_bias_.assign(bias.begin(), bias.end());
    }

    // The taps of a filter one after the other, without the padding of each.
    void set_signs(Bytes weight, Floats scale, Floats bias) {
        const std::size_t bytes = (channels() + 7) / 8, words = words_for(size());
        bits_.assign(result.shape.c * words, 0);
        for (std::size_t o = 0; o < result.shape.c; ++o) {
            for (std::size_t k = 0; k < size(); ++k) {
                const std::size_t tap = o * window_.taps() + k / channels(), c = k % channels();
                const std::uint64_t bit = weight[tap * bytes + c / 8] >> (7 - c % 8) & 1;
                bits_[o * words + k / 64] |= bit << (k % 64);
            }
        }
        this->scale.assign(scale.begin(), scale.end());
        this->bias.assign(bias.begin(), bias.end());
    }

  private:
    bool can_split() const {
        return bits_.empty() && groups_ == 1 && SplitConv::serves(window_, in_, result.shape);
    }

    std::size_t row_bytes() const {
        const Border around = border();
        return (around.before[2] + in_.w + around.after[2]) * in_.c * sizeof(float);
    }
    // Rows of the result at a time, so that those of the image stay in second-level cache.
    std::size_t rows_at_once() const {
        return window_.rows_over(4 * cached_bytes / row_bytes(), result.shape.h);
    }

    // Of the image as it came: its rows become pixels, with their border, just before they are
    // read.
    void run_planes(const Call& call, const Part& part, Sink& sink) const {
        const auto* planes = reinterpret_cast<const float*>(call.in(0).origin);
        const auto pad = static_cast<float>(pad_value_);
        const std::size_t left = border().before[2] * in_.c, inner = in_.w * in_.c;
        const std::size_t row = row_bytes() / sizeof(float);
        for (std::size_t y = part.first_row; y < part.last_row;) {
            const std::size_t rows = std::min(rows_at_once(), part.last_row - y);
            const std::size_t first = y * window_.stride[1] - window_.padding[1];  // may wrap
            auto* to = reinterpret_cast<float*>(call.scratch);
            for (std::size_t i = 0; i < window_.rows_under(rows); ++i, to += row) {
                if (first + i >= in_.h) {
                    std::fill_n(to, row, pad);
                    continue;
                }
                std::fill_n(to, left, pad);
                row_of_planes(planes, in_, first + i, to + left);
                std::fill_n(to + left + inner, row - left - inner, pad);
            }
            View in;
            in.pixel = distance(in_.c * sizeof(float));
            in.row = distance(row_bytes());
            in.origin =
                call.scratch + left * sizeof(float) - static_cast<std::ptrdiff_t>(first) * in.row;
            convolve(call, in, {y, y + rows, part.first_channel, part.last_channel}, sink);
            y += rows;
        }
    }

    std::size_t channels() const { return in_.c / groups_; }  // of the input, that a filter reads
    std::size_t outs() const { return result.shape.c / groups_; }
    std::size_t size() const { return window_.taps() * channels(); }

    Shape in_;
    Window window_;
    std::size_t groups_;
    int pad_value_;
    std::vector<float> weight_;        // [out][size], until prepare()
    std::vector<std::uint64_t> bits_;  // [out][words_for(size)], until prepare()
    std::vector<float> kernel_bias_;
    bool signs_ = false;
    bool planes_ = false;  // the input is the image as it came
    std::vector<Run> runs_;
    std::size_t block_ = 0, block_bytes_ = 0, group_bytes_ = 0;
    Aligned packed_;
    std::unique_ptr<SplitConv> split_;  // on CPUs that multiply matrices of bfloat16
};

// Every input channel by itself.
class Depthwise : public Producer {
  public:
    Depthwise(const Value& in, const Value& result, Floats weight, Floats bias,
              const Window& window, int pad_value)
        : Producer(result),
          in_(in.shape),
          window_(window),
          multiplier_(result.shape.c / in.shape.c),
          pad_value_(pad_value) {
        // [multiple][tap][channel]: the outputs of a channel are neighbours in the file.
        const std::size_t taps = window.taps();
        weight_.resize(weight.size());
        bias_.resize(result.shape.c, 0.0f);
        for (std::size_t o = 0; o < result.shape.c; ++o) {
            const std::size_t m = o % multiplier_, c = o / multiplier_;
            for (std::size_t t = 0; t < taps; ++t) {
                weight_[(m * taps + t) * in_.c + c] = weight[o * taps + t];
            }
            if (!bias.empty()) bias_[m * in_.c + c] = bias[o];
        }
    }

    Border border() const override { return window_border(window_, in_, result.shape, pad_value_); }

    void prepare(const Kernels&, std::span<const Layout> inputs) override {
        offsets_.clear();
        for (const Run& run : window_runs(window_, inputs[0], sizeof(float), 0)) {
            offsets_.push_back(run.offset);
        }
    }

    std::size_t scratch_bytes() const override {
        const std::size_t width = tile_width(result.shape.w, result.shape.c);
        return multiplier_ == 1 ? 0 : width * in_.c * sizeof(float);
    }

    void run(const Call& call, const Part& part, Sink& sink) const override {
        each_tile(part, result.shape, sink, [&](const Tile& tile) {
            const std::byte* x = window_start(window_, call.in(0), tile.z, tile.y, tile.x);
            Taps taps{.x = reinterpret_cast<const float*>(x),
                      .pixel_stride = distance(window_.stride[2] * in_.c),
                      .pixels = tile.pixels,
                      .offsets = offsets_.data(),
                      .count = offsets_.size(),
                      .weight = weight_.data(),
                      .bias = bias_.data(),
                      .channels = in_.c,
                      .out = tile.data,
                      .out_stride = tile.stride};
            if (multiplier_ == 1) {
                call.kernels.taps->weighted(taps);
                return;
            }
            auto* room = reinterpret_cast<float*>(call.scratch);
            taps.out = room;
            taps.out_stride = in_.c;
            for (std::size_t m = 0; m < multiplier_; ++m) {
                call.kernels.taps->weighted(taps);
                taps.weight += offsets_.size() * in_.c;
                taps.bias += in_.c;
                for (std::size_t p = 0; p < tile.pixels; ++p) {
                    for (std::size_t c = 0; c < in_.c; ++c) {
                        tile.data[p * tile.stride + c * multiplier_ + m] = room[p * in_.c + c];
                    }
                }
            }
        });
    }

    Work work() const override {
        const auto macs = static_cast<double>(result.shape.size() * window_.taps());
        return {.real_macs = macs, .weight_bytes = weight_.size() * sizeof(float)};
    }

    bool makes_single_rows() const override { return true; }

  private:
    Shape in_;
    Window window_;
    std::size_t multiplier_;  // outputs of each input channel
    int pad_value_;
    std::vector<float> weight_, bias_;
    std::vector<std::ptrdiff_t> offsets_;  // of the taps
};

Value convolved(const Value& in, std::size_t out_channels, const Window& window, std::size_t groups,
                Floats bias, int pad_value) {
    require_real(in);
    require(
        groups >= 1 && in.shape.c % groups == 0 && out_channels % groups == 0 && out_channels >= 1,
        "groups must divide the channels of input and output");
    require(bias.empty() || bias.size() == out_channels, "bias must have one number per channel");
    require(pad_value >= -1 && pad_value <= 1, "pad_value must be -1, 0 or 1");
    return {Kind::real, window.out(in.shape, out_channels)};
}

}  // namespace

OpPtr make_conv(const Value& in, Floats weight, Floats bias, std::size_t out_channels,
                const Window& window, std::size_t groups, int pad_value) {
    const Value result = convolved(in, out_channels, window, groups, bias, pad_value);
    require(weight.size() == out_channels * window.taps() * (in.shape.c / groups),
            "weight must have shape (out, kernel..., in / groups)");
    if (groups > 1 && groups == in.shape.c) {
        return std::make_unique<Depthwise>(in, result, weight, bias, window, pad_value);
    }
    auto conv = std::make_unique<Conv>(in, result, window, groups, pad_value);
    conv->set_weight(weight, bias);
    return conv;
}

OpPtr make_binary_weight_conv(const Value& in, Bytes weight, Floats scale, Floats bias,
                              std::size_t out_channels, const Window& window, std::size_t groups,
                              int pad_value) {
    const Value result = convolved(in, out_channels, window, groups, bias, pad_value);
    require(scale.empty() || scale.size() == out_channels,
            "scale must have one number per channel");
    require_packed(weight, out_channels * window.taps(), in.shape.c / groups);
    auto conv = std::make_unique<Conv>(in, result, window, groups, pad_value);
    conv->set_signs(weight, scale, bias);
    return conv;
}

}  // namespace bitgrove::runtime
