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

void ZeroBorder::correct(const Tile& tile, std::size_t first, std::size_t outs, float* dots) const {
    const auto [kd, kh, kw] = window_.kernel;
    const auto is_whole = [&](const Range& range, int axis) {
        return range.first == 0 && range.last == window_.kernel[axis];
    };
    const Range z = taps_inside(tile.z, 0), y = taps_inside(tile.y, 1);
    const bool inner_row = is_whole(z, 0) && is_whole(y, 1);
    const auto sum = [&](std::size_t d, std::size_t h, std::size_t w) {
        return before_.data() + ((d * (kh + 1) + h) * (kw + 1) + w) * outs_ + first;
    };
    const float* all = sum(kd, kh, kw);
    for (std::size_t p = 0; p < tile.pixels; ++p) {
        const Range x = taps_inside(tile.x + p, 2);
        if (inner_row && is_whole(x, 2)) continue;
        const float* corners[] = {sum(z.last, y.last, x.last),   sum(z.first, y.last, x.last),
                                  sum(z.last, y.first, x.last),  sum(z.last, y.last, x.first),
                                  sum(z.first, y.first, x.last), sum(z.first, y.last, x.first),
                                  sum(z.last, y.first, x.first), sum(z.first, y.first, x.first)};
        float* dot = dots + p * tile.stride;
        for (std::size_t o = 0; o < outs; ++o) {
            const float inside = corners[0][o] - corners[1][o] - corners[2][o] - corners[3][o] +
                                 corners[4][o] + corners[5][o] + corners[6][o] - corners[7][o];
            dot[o] += all[o] - inside;
        }
    }
}

}  // namespace bitgrove::runtime
