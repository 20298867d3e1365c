// Upsampling.
#include <cmath>

#include "op.hpp"

namespace bitgrove::runtime {
namespace {

// Where an output coordinate reads: two neighbours and the share of the second.
struct Source {
    std::size_t first, second;
    float share;
};

// In float32, as torch computes them, so that the nearest pixel is always the same one.
std::vector<Source> sources(std::size_t in, std::size_t out, float step, Upsampling mode) {
    std::vector<Source> table(out);
    const auto last = static_cast<float>(in - 1);
    for (std::size_t o = 0; o < out; ++o) {
        const auto number = static_cast<float>(o);
        if (mode == Upsampling::nearest) {
            const auto at = static_cast<std::size_t>(std::fmin(std::floor(number * step), last));
            table[o] = {at, at, 0.0f};
            continue;
        }
        const float at = std::fmin(std::fmax(step * (number + 0.5f) - 0.5f, 0.0f), last);
        const auto first = static_cast<std::size_t>(at);
        table[o] = {first, std::min(first + 1, in - 1), at - static_cast<float>(first)};
    }
    return table;
}

class Upsample : public Producer {
  public:
    Upsample(const Value& in, const Triple& size, const std::array<float, 3>& step, Upsampling mode)
        : Producer(Value{Kind::real, {size[0], size[1], size[2], in.shape.c}}) {
        for (int axis : {0, 1, 2}) {
            table_[axis] = sources(in.shape.side(axis), size[axis], step[axis], mode);
        }
    }

    void run(const Call& call, const Part& part, Sink& sink) const override {
        each_tile(part, result.shape, sink, [&](const Tile& tile) {
            const Source &z = table_[0][tile.z], &y = table_[1][tile.y];
            for (std::size_t p = 0; p < tile.pixels; ++p) {
                mix(call.in(0), z, y, table_[2][tile.x + p], tile.data + p * tile.stride);
            }
        });
    }

  private:
    void mix(const View& in, const Source& z, const Source& y, const Source& x, float* out) const {
        const std::size_t channels = result.shape.c;
        std::fill_n(out, channels, 0.0f);
        for (int corner = 0; corner < 8; ++corner) {
            const float share =
                part_of(z, corner & 4) * part_of(y, corner & 2) * part_of(x, corner & 1);
            if (share == 0) continue;
            const float* from = in.real(end(z, corner & 4), end(y, corner & 2), end(x, corner & 1));
            for (std::size_t c = 0; c < channels; ++c) out[c] += share * from[c];
        }
    }
    static float part_of(const Source& source, bool second) {
        return second ? source.share : 1 - source.share;
    }
    static std::ptrdiff_t end(const Source& source, bool second) {
        return distance(second ? source.second : source.first);
    }

    std::array<std::vector<Source>, 3> table_;
};

}  // namespace

OpPtr make_upsample(const Value& in, const Triple& size, const std::array<float, 3>& step,
                    Upsampling mode) {
    require_real(in);
    for (float s : step) require(std::isfinite(s) && s > 0, "step must be above 0");
    return std::make_unique<Upsample>(in, size, step, mode);
}

}  // namespace bitgrove::runtime
