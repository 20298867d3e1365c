// Convolution of bytes, for layers that the file says are quantised.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "aligned.hpp"
#include "op.hpp"
#include "rearrange.hpp"
#include "window_runs.hpp"

namespace bitgrove::runtime {
namespace {

constexpr std::size_t fours(std::size_t n) {
    return (n + 3) / 4 * 4;
}

class ByteConv : public Producer {
  public:
    ByteConv(const Value& in, const Value& result, std::span<const std::int8_t> weight,
             Floats scale, Floats bias, const Window& window, std::size_t groups, float step,
             int zero)
        : Producer(result),
          in_(in.shape),
          window_(window),
          groups_(groups),
          step_(step),
          zero_(zero),
          weight_(weight.begin(), weight.end()),
          scale_(scale.begin(), scale.end()),
          bias_(bias.begin(), bias.end()) {
        bias_.resize(result.shape.c, 0.0f);
        const Border border = window_border(window, in.shape, result.shape, 0);
        before_ = border.before;
        after_ = border.after;
        row_bytes_ = (before_[2] + in_.w + after_[2]) * in_.c;
    }

    void prepare(const Kernels& kernels, std::span<const Layout>) override {
        // Neighbouring taps of a row are one stretch where they lie side by side; every stretch is
        // filled up to whole fours with weights of 0.
        const bool joined = groups_ == 1 && window_.dilation[2] == 1;
        Window window = window_;
        window.dilation[0] = 1;
        const std::size_t plane = window_.rows_under(rows_at_once()) * row_bytes_;
        if (joined) window.kernel[2] = 1;
        const std::size_t length = joined ? window_.kernel[2] * in_.c : channels();
        // A length that no neighbour continues, so that nothing else is joined.
        runs_ = window_runs(window, plane, row_bytes_, in_.c, 0);
        for (Run& run : runs_) run.length = fours(length);
        size_ = runs_.size() * fours(length);
        std::vector<std::int8_t> rows(result.shape.c * size_, 0);
        for (std::size_t i = 0; i < result.shape.c * runs_.size(); ++i) {
            std::copy_n(weight_.data() + i * length, length, rows.data() + i * fours(length));
        }
        const ByteDotsKernels& dots = *kernels.byte_dots;
        block_ = dots.block;
        block_bytes_ = dots.block_bytes(size_);
        group_bytes_ = (outs() + block_ - 1) / block_ * block_bytes_;
        packed_ = allocate(groups_ * group_bytes_);
        for (std::size_t g = 0; g < groups_; ++g) {
            dots.pack(rows.data() + g * outs() * size_, outs(), size_,
                      packed_.get() + g * group_bytes_);
        }
        // sum of weight * (byte - zero) = sum of weight * byte - zero * sum of weight
        for (std::size_t o = 0; o < result.shape.c; ++o) {
            const auto filter = weight_.begin() + distance(o * filter_size());
            offset_.push_back(-zero_ *
                              std::accumulate(filter, filter + distance(filter_size()), 0));
        }
        weight_ = {};
    }

    bool take_planes() override { return planes_ = in_.d == 1; }

    std::size_t scratch_bytes() const override {
        return pixels_bytes() +
               window_.kernel[0] * window_.rows_under(rows_at_once()) * row_bytes_ + 64;
    }

    bool splits_channels() const override { return groups_ == 1; }
    bool makes_single_rows() const override { return true; }

    Work work() const override {
        const double macs =
            static_cast<double>(result.shape.size()) * static_cast<double>(filter_size());
        return {.real_macs = macs, .weight_bytes = groups_ * group_bytes_};
    }

    void run(const Call& call, const Part& part, Sink& sink) const override {
        auto* bytes = reinterpret_cast<std::uint8_t*>(call.scratch + pixels_bytes());
        for (std::size_t row = part.first_row; row < part.last_row;) {
            const std::size_t z = row / result.shape.h, y = row % result.shape.h;
            const std::size_t rows =
                std::min({rows_at_once(), part.last_row - row, result.shape.h - y});
            quantise(call, z, y, window_.rows_under(rows), bytes);
            const Part now{row, row + rows, part.first_channel, part.last_channel};
            convolve(call.kernels, now, y, bytes, sink);
            row += rows;
        }
    }

  private:
    std::size_t channels() const { return in_.c / groups_; }
    std::size_t outs() const { return result.shape.c / groups_; }
    std::size_t filter_size() const { return window_.taps() * channels(); }

    // So that the bytes stay in second-level cache.
    std::size_t rows_at_once() const {
        constexpr std::size_t cached_bytes = 256 * 1024;
        return window_.rows_over(cached_bytes / (row_bytes_ * window_.kernel[0]), result.shape.h);
    }

    // A row of the image as it came, pixel after pixel, in front of the bytes.
    std::size_t pixels_bytes() const {
        return planes_ ? whole_lines(in_.w * in_.c * sizeof(float)) : 0;
    }

    const float* row_of(const Call& call, std::size_t plane, std::size_t line) const {
        if (!planes_) return call.in(0).real(distance(plane), distance(line), 0);
        auto* pixels = reinterpret_cast<float*>(call.scratch);
        row_of_planes(reinterpret_cast<const float*>(call.in(0).origin), in_, line, pixels);
        return pixels;
    }

    void quantise(const Call& call, std::size_t z, std::size_t y, std::size_t rows,
                  std::uint8_t* to) const {
        const auto zero = static_cast<std::uint8_t>(zero_);
        for (std::size_t t = 0; t < window_.kernel[0]; ++t) {
            const std::size_t plane = z * window_.stride[0] + t * window_.dilation[0] - before_[0];
            std::uint8_t* at = to + t * window_.rows_under(rows_at_once()) * row_bytes_;
            for (std::size_t r = 0; r < rows; ++r, at += row_bytes_) {
                const std::size_t line = y * window_.stride[1] + r - before_[1];
                if (plane >= in_.d || line >= in_.h) {  // before the input they wrap
                    std::fill_n(at, row_bytes_, zero);
                    continue;
                }
                const std::size_t left = before_[2] * in_.c, inner = in_.w * in_.c;
                std::fill_n(at, left, zero);
                call.kernels.byte_dots->quantise(row_of(call, plane, line), inner, step_, zero_,
                                                 at + left);
                std::fill_n(at + left + inner, row_bytes_ - left - inner, zero);
            }
        }
    }

    void convolve(const Kernels& kernels, const Part& part, std::size_t y,
                  const std::uint8_t* bytes, Sink& sink) const {
        const std::size_t first = groups_ == 1 ? part.first_channel : 0;
        const std::size_t outs = groups_ == 1 ? part.last_channel - first : this->outs();
        each_tile(part, result.shape, sink, [&](const Tile& tile) {
            ByteDots dots{.x = bytes + (tile.y - y) * window_.stride[1] * row_bytes_ +
                               tile.x * window_.stride[2] * in_.c,
                          .pixel_stride = distance(window_.stride[2] * in_.c),
                          .pixels = tile.pixels,
                          .runs = runs_.data(),
                          .run_count = runs_.size(),
                          .size = size_,
                          .weight = packed_.get() + first / block_ * block_bytes_,
                          .offset = offset_.data() + first,
                          .scale = scale_.data() + first,
                          .bias = bias_.data() + first,
                          .outs = outs,
                          .out = tile.data,
                          .out_stride = tile.stride};
            for (std::size_t g = 0; g < groups_; ++g) {
                kernels.byte_dots->run(dots);
                dots.x += channels();
                dots.weight = static_cast<const std::byte*>(dots.weight) + group_bytes_;
                dots.offset += outs;
                dots.scale += outs;
                dots.bias += outs;
                dots.out += outs;
            }
        });
    }

    Shape in_;
    Window window_;
    std::size_t groups_;
    float step_;
    int zero_;
    bool planes_ = false;              // the input is the image as it came
    std::vector<std::int8_t> weight_;  // until prepare()
    std::vector<std::int32_t> offset_;
    std::vector<float> scale_, bias_;
    Triple before_{}, after_{};
    std::size_t row_bytes_;
    std::vector<Run> runs_;
    std::size_t size_ = 0, block_ = 0, block_bytes_ = 0, group_bytes_ = 0;
    Aligned packed_;
};

}  // namespace

OpPtr make_byte_conv(const Value& in, std::span<const std::int8_t> weight, Floats scale,
                     Floats bias, std::size_t out_channels, const Window& window,
                     std::size_t groups, float step, int zero) {
    require_real(in);
    require(
        groups >= 1 && in.shape.c % groups == 0 && out_channels >= 1 && out_channels % groups == 0,
        "groups must divide the channels of input and output");
    const std::size_t size = window.taps() * (in.shape.c / groups);
    require(weight.size() == out_channels * size,
            "weight must have shape (out, kernel..., in / groups)");
    require(std::ranges::none_of(weight, [](std::int8_t w) { return w == -128; }),
            "weights must be in -127 to 127");
    require(size <= std::size_t{1} << 16,
            "a quantised filter may have at most 2^16 weights, so that its sum fits in 32 bits");
    require(scale.size() == out_channels, "scale must have one number per channel");
    require(bias.empty() || bias.size() == out_channels, "bias must have one number per channel");
    require(std::isfinite(step) && step > 0, "step must be above 0");
    require(zero >= 0 && zero <= 255, "zero must be in 0 to 255");
    const Value result{Kind::real, window.out(in.shape, out_channels)};
    return std::make_unique<ByteConv>(in, result, weight, scale, bias, window, groups, step, zero);
}

}  // namespace bitgrove::runtime
