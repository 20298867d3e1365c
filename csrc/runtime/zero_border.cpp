#include "zero_border.hpp"

namespace bitgrove::runtime {

ZeroBorder::ZeroBorder(const Window& window, const Shape& in, const Shape& out,
                       const std::vector<std::int32_t>& sums)
    : window_(window), in_(in), outs_(out.c) {
    const auto [kd, kh, kw] = window.kernel;
    before_.assign((kd + 1) * (kh + 1) * (kw + 1) * outs_, 0.0f);
    const std::size_t steps[] = {(kh + 1) * (kw + 1) * outs_, (kw + 1) * outs_, outs_};
    for (std::size_t z = 1; z <= kd; ++z) {
        for (std::size_t y = 1; y <= kh; ++y) {
            for (std::size_t x = 1; x <= kw; ++x) {
                const std::size_t tap = ((z - 1) * kh + y - 1) * kw + x - 1;
                float* at = before_.data() + z * steps[0] + y * steps[1] + x * steps[2];
                for (std::size_t o = 0; o < outs_; ++o) {
                    at[o] = static_cast<float>(sums[tap * outs_ + o]);
                }
            }
        }
    }
    for (const std::size_t step : steps) {
        for (std::size_t i = step; i < before_.size(); ++i) {
            const std::size_t side = step == steps[2] ? kw + 1 : step == steps[1] ? kh + 1 : kd + 1;
            if (i / step % side != 0) before_[i] += before_[i - step];
        }
    }
    list_kinds(out);
}

Range ZeroBorder::taps_inside(std::size_t o, int axis) const {
    const std::size_t step = window_.dilation[axis], start = o * window_.stride[axis];
    const std::size_t before = window_.padding[axis], end = before + in_.side(axis);
    const auto taps_until = [&](std::size_t at) {
        const std::size_t count = at <= start ? 0 : (at - start + step - 1) / step;
        return std::min(count, window_.kernel[axis]);
    };
    return {taps_until(before), taps_until(end)};
}

bool ZeroBorder::is_whole(const Range& taps, int axis) const {
    return taps.first == 0 && taps.last == window_.kernel[axis];
}

void ZeroBorder::outside(const Box& box, std::size_t first, std::size_t outs, float* to) const {
    const auto [kd, kh, kw] = window_.kernel;
    const auto sum = [&](std::size_t d, std::size_t h, std::size_t w) {
        return before_.data() + ((d * (kh + 1) + h) * (kw + 1) + w) * outs_ + first;
    };
    const auto& [z, y, x] = box;
    const float *all = sum(kd, kh, kw), *a = sum(z.last, y.last, x.last),
                *b = sum(z.first, y.last, x.last), *c = sum(z.last, y.first, x.last),
                *d = sum(z.last, y.last, x.first), *e = sum(z.first, y.first, x.last),
                *f = sum(z.first, y.last, x.first), *g = sum(z.last, y.first, x.first),
                *h = sum(z.first, y.first, x.first);
    for (std::size_t o = 0; o < outs; ++o) {
        to[o] = all[o] - (a[o] - b[o] - c[o] - d[o] + e[o] + f[o] + g[o] - h[o]);
    }
}

void ZeroBorder::list_kinds(const Shape& out) {
    constexpr std::size_t most_numbers = 1 << 18;
    std::array<std::vector<Range>, 3> ranges;
    for (int axis : {0, 1, 2}) {
        for (std::size_t o = 0; o < out.side(axis); ++o) {
            const Range taps = taps_inside(o, axis);
            auto& known = ranges[axis];
            // Outputs of the same kind follow each other, but for those with all taps inside.
            std::size_t kind = 0;
            while (kind < known.size() &&
                   (known[kind].first != taps.first || known[kind].last != taps.last)) {
                ++kind;
            }
            if (kind == known.size()) known.push_back(taps);
            if (known.size() * outs_ > most_numbers) return;
            kind_[axis].push_back(static_cast<std::uint32_t>(kind));
        }
        kinds_[axis] = ranges[axis].size();
    }
    const std::size_t rows = kinds_[0] * kinds_[1] * kinds_[2];
    if (rows * outs_ > most_numbers) return;
    corrections_.resize(rows * outs_);
    for (std::size_t i = 0; i < rows; ++i) {
        const Box box{ranges[0][i / kinds_[2] / kinds_[1]], ranges[1][i / kinds_[2] % kinds_[1]],
                      ranges[2][i % kinds_[2]]};
        outside(box, 0, outs_, corrections_.data() + i * outs_);
    }
    before_ = {};
}

void ZeroBorder::correct(const Kernels& kernels, const Tile& tile, std::size_t first,
                         std::size_t outs, float* dots, float* room) const {
    const Range z = taps_inside(tile.z, 0), y = taps_inside(tile.y, 1);
    const bool inner_row = is_whole(z, 0) && is_whole(y, 1);
    for (std::size_t p = 0; p < tile.pixels; ++p) {
        const Range x = taps_inside(tile.x + p, 2);
        if (inner_row && is_whole(x, 2)) continue;
        const float* correction;
        if (corrections_.empty()) {
            outside({z, y, x}, first, outs, room);
            correction = room;
        } else {
            const std::size_t row = (kind_[0][tile.z] * kinds_[1] + kind_[1][tile.y]) * kinds_[2] +
                                    kind_[2][tile.x + p];
            correction = corrections_.data() + row * outs_ + first;
        }
        const Rows pixel{dots + p * tile.stride, tile.stride, 1, outs, nullptr, 0};
        kernels.pointwise->add(pixel, correction, 0);
    }
}

}  // namespace bitgrove::runtime
