#include "sign_conv.hpp"

#include <algorithm>

#include "window_runs.hpp"

namespace bitgrove::runtime {
namespace {

constexpr std::size_t cached_bytes = 512 * 1024;
constexpr std::size_t room_bytes = 128 * 1024;  // of results that wait for the steps after them

}  // namespace

bool SignConv::serves(const Layout& in, const Window& window) {
    const std::size_t row = in.side(2) * in.value.words_per_pixel() * 64;
    const std::size_t rows = (window.kernel[1] - 1) * window.dilation[1] + 1;
    return window.kernel[0] * rows * row <= 2 * cached_bytes;
}

SignConv::SignConv(const SignDotsKernels& dots, const Layout& in, const Window& window,
                   int pad_value, const Shape& out, const std::vector<std::uint64_t>& weight)
    : dots_(&dots), in_(in), window_(window), out_(out), zeros_(pad_value == 0) {
    const std::size_t words = in.value.words_per_pixel();
    pixel_bytes_ = words * 64;
    row_bytes_ = in.side(2) * pixel_bytes_;
    words_ = window.taps() * words;
    block_bytes_ = dots.block_bytes(words_);
    weight_bytes_ = (out.c + dots.block - 1) / dots.block * block_bytes_;
    packed_ = allocate(weight_bytes_);
    dots.pack(weight.data(), out.c, words_, packed_.get());
    // A channel that only fills a word up counts as -1 everywhere.
    zero_pixel_.assign(pixel_bytes_, -1);
    std::fill_n(zero_pixel_.begin(), in.value.shape.c, std::int8_t{0});
    const std::size_t rows = window_.rows_under(rows_at_once());
    // Of the planes, only those that a plane of the result reads are widened, one after the other.
    Window close = window;
    close.dilation[0] = 1;
    runs_ = window_runs(close, rows * row_bytes_, row_bytes_, pixel_bytes_, pixel_bytes_);
    input_bytes_ = whole_lines(window.kernel[0] * rows * row_bytes_);
    const std::size_t result_row = out.w * 64 * sizeof(float);
    rows_in_room_ = std::clamp<std::size_t>(room_bytes / result_row, 1, rows_at_once());
    room_bytes_ = rows_in_room_ * result_row;
}

std::size_t SignConv::rows_at_once() const {
    return window_.rows_over(cached_bytes / (row_bytes_ * window_.kernel[0]), out_.h);
}

// Rows `first` and on (border included, so 0 is the first of the border) of the planes that plane z
// of the result reads.
void SignConv::widen(const View& in, std::size_t z, std::size_t first, std::size_t rows,
                     std::int8_t* to) const {
    const Border& border = in_.border;
    const auto is_outside = [&](std::ptrdiff_t at, int axis) {
        return at < 0 || at >= distance(in_.value.shape.side(axis));
    };
    const auto clear = [&](std::int8_t* at, std::size_t pixels) {
        for (std::size_t i = 0; i < pixels; ++i, at += pixel_bytes_) {
            std::copy(zero_pixel_.begin(), zero_pixel_.end(), at);
        }
    };
    const std::size_t words = row_bytes_ / 64;
    for (std::size_t t = 0; t < window_.kernel[0]; ++t) {
        const std::ptrdiff_t plane = distance(z * window_.stride[0] + t * window_.dilation[0]) -
                                     distance(window_.padding[0]);
        std::int8_t* at = to + t * window_.rows_under(rows_at_once()) * row_bytes_;
        for (std::size_t r = 0; r < rows; ++r, at += row_bytes_) {
            const std::ptrdiff_t y = distance(first + r) - distance(border.before[1]);
            if (zeros_ && (is_outside(plane, 0) || is_outside(y, 1))) {
                clear(at, in_.side(2));
                continue;
            }
            dots_->expand(in.bits(plane, y, -distance(border.before[2])), words, at);
            if (!zeros_) continue;
            clear(at, border.before[2]);
            clear(at + row_bytes_ - border.after[2] * pixel_bytes_, border.after[2]);
        }
    }
}

void SignConv::run(const Call& call, const Part& part, Sink& sink) const {
    auto* bytes = reinterpret_cast<std::int8_t*>(call.scratch);
    const RowRoom room{reinterpret_cast<float*>(call.scratch + input_bytes_), rows_in_room_};
    const std::size_t before = in_.border.before[1] - window_.padding[1];
    const std::size_t start = (in_.border.before[2] - window_.padding[2]) * pixel_bytes_;
    for (std::size_t row = part.first_row; row < part.last_row;) {
        const std::size_t z = row / out_.h, y = row % out_.h;
        const std::size_t rows = std::min({rows_at_once(), part.last_row - row, out_.h - y});
        widen(call.in(0), z, y * window_.stride[1] + before, window_.rows_under(rows), bytes);
        each_block(z, y, rows, part, out_, room, sink,
                   [&](const Tile& tile, std::size_t r, std::size_t count) {
                       multiply(bytes + start + r * window_.stride[1] * row_bytes_, tile, count);
                   });
        row += rows;
    }
}

// Some rows of the result, the first of which is the tile's.
void SignConv::multiply(const std::int8_t* x, const Tile& tile, std::size_t rows) const {
    dots_->run({.x = x,
                .row_stride = distance(window_.stride[1] * row_bytes_),
                .pixel_stride = distance(window_.stride[2] * pixel_bytes_),
                .rows = rows,
                .pixels = out_.w,
                .runs = runs_.data(),
                .run_count = runs_.size(),
                .words = words_,
                .weight = packed_.get() + tile.channel / dots_->block * block_bytes_,
                .outs = tile.channels,
                .length = static_cast<std::int32_t>(in_.value.shape.c * window_.taps()),
                .out = tile.data,
                .out_row_stride = tile.row_stride,
                .out_stride = tile.stride});
}

}  // namespace bitgrove::runtime
