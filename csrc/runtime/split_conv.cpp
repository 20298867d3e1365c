#include "split_conv.hpp"

#include <algorithm>
#include <cstdint>

#include "window_runs.hpp"

namespace bitgrove::runtime {
namespace {

constexpr std::size_t cached_bytes = 512 * 1024;
constexpr std::size_t most_bytes = 8 * 1024 * 1024;  // of what one row of the result reads
constexpr std::size_t room_bytes = 128 * 1024;  // of results that wait for the steps after them

}  // namespace

// Of few pixels each would pay for the splitting of its own; patches must lie row by row, in one
// plane; and such as fill no whole lines of the unit, a stem's of three channels, gain nothing.
// Patches do not share what they have in common: a long kernel would need far more memory than its
// input.
bool SplitConv::serves(const Window& window, const Shape& in, const Shape& out) {
    const std::size_t length = window.kernel[2] * in.c;
    const std::size_t split = window.kernel[1] * out.w * length * 3 * sizeof(std::uint16_t);
    return length % 32 == 0 && in.d == 1 && window.padding[0] == 0 && window.dilation[1] == 1 &&
           (window.dilation[2] == 1 || window.kernel[2] == 1) && out.pixels() >= 16 &&
           split <= most_bytes;
}

SplitConv::SplitConv(const SplitDotsKernels& dots, const Layout& in, const Window& window,
                     const Shape& out, const std::vector<float>& weight, std::vector<float> bias)
    : dots_(&dots),
      window_(window),
      out_(out),
      pixel_stride_(window.stride[2] * in.value.shape.c),
      length_(window.kernel[2] * in.value.shape.c),
      bias_(std::move(bias)),
      split_bytes_(dots.row_bytes(out.w, length_)),
      block_bytes_(dots.block_bytes(window.kernel[1], length_)) {
    rows_at_once_ = window.rows_over(cached_bytes / split_bytes_, out.h);
    const std::size_t result_row = out.w * 64 * sizeof(float);
    rows_in_room_ = std::clamp<std::size_t>(room_bytes / result_row, 1, rows_at_once_);
    weight_bytes_ = (out.c + dots.block - 1) / dots.block * block_bytes_;
    packed_ = allocate(weight_bytes_);
    dots.pack(weight.data(), out.c, window.kernel[1], length_, packed_.get());
}

std::size_t SplitConv::scratch_bytes() const {
    return window_.rows_under(rows_at_once_) * (split_bytes_ + line) +
           whole_lines(rows_in_room_ * out_.w * 64 * sizeof(float));
}

void SplitConv::run(const Call& call, const Part& part, Sink& sink) const {
    // The split rows, the room for results, and where each split row is.
    std::byte* split = call.scratch;
    const std::size_t most = window_.rows_under(rows_at_once_);
    std::byte* const rest = split + most * split_bytes_;
    const RowRoom room{reinterpret_cast<float*>(rest), rows_in_room_};
    auto* places = reinterpret_cast<const void**>(
        rest + whole_lines(rows_in_room_ * out_.w * 64 * sizeof(float)));
    for (std::size_t i = 0; i < most; ++i) places[i] = split + i * split_bytes_;
    for (std::size_t y = part.first_row; y < part.last_row;) {
        const std::size_t rows = std::min(rows_at_once_, part.last_row - y);
        for (std::size_t i = 0; i < window_.rows_under(rows); ++i) {
            const std::ptrdiff_t at =
                distance(y * window_.stride[1] + i) - distance(window_.padding[1]);
            const std::byte* x = call.in(0).at(0, at, -distance(window_.padding[2]));
            dots_->split(reinterpret_cast<const float*>(x), distance(pixel_stride_), out_.w,
                         length_, split + i * split_bytes_);
        }
        each_block(0, y, rows, part, out_, room, sink,
                   [&](const Tile& tile, std::size_t r, std::size_t count) {
                       multiply(places + r * window_.stride[1], tile, count);
                   });
        y += rows;
    }
}

// Some rows of the result, the first of which is the tile's.
void SplitConv::multiply(const void* const* x, const Tile& tile, std::size_t rows) const {
    dots_->run({.x = x,
                .row_step = window_.stride[1],
                .rows = rows,
                .pixels = out_.w,
                .runs = window_.kernel[1],
                .length = length_,
                .weight = packed_.get() + tile.channel / dots_->block * block_bytes_,
                .bias = bias_.empty() ? nullptr : bias_.data() + tile.channel,
                .outs = tile.channels,
                .out = tile.data,
                .out_row_stride = tile.row_stride,
                .out_stride = tile.stride});
}

}  // namespace bitgrove::runtime
