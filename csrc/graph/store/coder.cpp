#include "coder.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "bitgrove/half.hpp"

namespace bitgrove::graph {
namespace {

void decode(const Format& format, const std::uint8_t* row, float* out) {
    if (format.dtype == Dtype::f32) {
        std::copy_n(reinterpret_cast<const float*>(row), format.dim, out);
    } else if (format.dtype == Dtype::f16) {
        const auto* halves = reinterpret_cast<const std::uint16_t*>(row);
        for (std::size_t i = 0; i < format.dim; ++i) out[i] = half_to_float(halves[i]);
    } else {
        std::copy_n(row, format.dim, out);
    }
}

bool all_are_bytes(const Rows& rows) {
    const Format& format = rows.format();
    if (format.dtype == Dtype::u8) return true;
    std::vector<float> x(format.dim);
    for (std::size_t r = 0; r < rows.size(); ++r) {
        decode(format, rows.row(r), x.data());
        for (const float v : x) {
            if (!(v >= 0 && v <= 255 && v == std::floor(v))) return false;
        }
    }
    return true;
}

}  // namespace

bool Coder::encode(const float* x, std::uint8_t* code) const {
    const float scale = 1 / step;
    float outside = 0;
    for (std::size_t i = 0; i < low.size(); ++i) {
        const float c = (x[i] - low[i]) * scale, inside = std::clamp(c, 0.0f, 255.0f);
        code[i] = static_cast<std::uint8_t>(std::nearbyint(inside));
        outside += (c - inside) * (c - inside);
    }
    return outside <= 4;
}

bool Coder::encode(const Format& format, const std::uint8_t* row, float lift,
                   std::uint8_t* code) const {
    thread_local std::vector<float> x;
    x.resize(format.dim);
    decode(format, row, x.data());
    const bool inside = encode(x.data(), code);
    // Equal shares, rounded down, but for the last two places, which take what is left of the
    // square of the lift to within a few units.
    double rest = static_cast<double>(lift) * lift / step / step;
    for (std::size_t i = 0; i < lift_places; ++i) {
        const std::size_t sharing = i + 2 < lift_places ? lift_places - 2 - i : 1;
        const double share = std::sqrt(std::max(0.0, rest) / static_cast<double>(sharing));
        const double c = std::clamp(std::floor(share), 0.0, 255.0);
        code[format.dim + i] = static_cast<std::uint8_t>(c);
        rest -= c * c;
    }
    return inside && rest < 255.0 * 255.0;
}

bool Coder::encode_query(const Format& format, const std::uint8_t* query,
                         std::uint8_t* code) const {
    thread_local std::vector<float> x;
    x.resize(format.dim);
    decode(format, query, x.data());
    if (format.metric == Metric::ip) {
        float scale = std::numeric_limits<float>::infinity();
        for (std::size_t i = 0; i < format.dim; ++i) {
            const float end = x[i] < 0 ? low[i] : low[i] + 255 * step;
            if (x[i] != 0) scale = std::min(scale, end / x[i]);
        }
        if (!std::isfinite(scale) || !(scale > 0)) return false;
        for (float& v : x) v *= scale;
    }
    std::fill_n(code + format.dim, lift_places, std::uint8_t{0});
    return encode(x.data(), code);
}

Coder Coder::learn(const Rows& rows, double bound) {
    const Format& format = rows.format();
    Coder coder;
    coder.low.assign(format.dim, 0.0f);
    coder.exact = all_are_bytes(rows);
    if (!coder.exact) {
        constexpr float kFar = std::numeric_limits<float>::infinity();
        std::vector<float> high(format.dim, -kFar), x(format.dim);
        std::fill(coder.low.begin(), coder.low.end(), kFar);
        for (std::size_t r = 0; r < rows.size(); ++r) {
            decode(format, rows.row(r), x.data());
            for (std::size_t d = 0; d < format.dim; ++d) {
                coder.low[d] = std::min(coder.low[d], x[d]);
                high[d] = std::max(high[d], x[d]);
            }
        }
        float widest = 0;
        for (std::size_t d = 0; d < format.dim; ++d) {
            widest = std::max(widest, high[d] - coder.low[d]);
        }
        if (widest > 0) coder.step = std::max(widest / 255, std::numeric_limits<float>::min());
        // Narrower ranges sit in the middle, so that later rows outside of them have room.
        for (std::size_t d = 0; d < format.dim; ++d) {
            coder.low[d] = (coder.low[d] + high[d] - 255 * coder.step) / 2;
        }
    }
    if (format.metric == Metric::ip) {
        const double largest = 250.0 * coder.step;
        coder.lift_places = static_cast<std::size_t>(std::clamp(
            std::ceil(bound / (largest * largest)) + 2, 3.0, static_cast<double>(kMaxLiftPlaces)));
    }
    return coder;
}

}  // namespace bitgrove::graph
