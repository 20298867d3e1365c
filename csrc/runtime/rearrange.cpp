// Operators that only move numbers: joining, flattening, a border, reading a stored value.
#include "rearrange.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace bitgrove::runtime {
namespace {

class Concat : public Producer {
  public:
    Concat(Value result, std::vector<std::size_t> channels)
        : Producer(result), channels_(std::move(channels)) {}

    void run(const Call& call, const Part& part, Sink& sink) const override {
        each_tile(part, result.shape, sink, [&](const Tile& tile) {
            for (std::size_t p = 0; p < tile.pixels; ++p) {
                float* out = tile.data + p * tile.stride;
                for (std::size_t i = 0; i < channels_.size(); ++i) {
                    const float* from =
                        call.in(i).real(distance(tile.z), distance(tile.y), distance(tile.x + p));
                    out = std::copy_n(from, channels_[i], out);
                }
            }
        });
    }

  private:
    std::vector<std::size_t> channels_;  // of each input
};

class Flatten : public Producer {
  public:
    explicit Flatten(const Value& in)
        : Producer(Value{Kind::real, {1, 1, 1, in.shape.size()}}), in_(in.shape) {}

    void run(const Call& call, const Part& part, Sink& sink) const override {
        const std::size_t pixels = in_.pixels();
        each_tile(part, result.shape, sink, [&](const Tile& tile) {
            for (std::size_t p = 0; p < pixels; ++p) {
                const Triple o = place(p, in_);
                const float* from = call.in(0).real(distance(o[0]), distance(o[1]), distance(o[2]));
                for (std::size_t c = 0; c < in_.c; ++c) tile.data[c * pixels + p] = from[c];
            }
        });
    }

  private:
    Shape in_;
};

// Of one pixel: nothing to do.
class FlattenPixel : public Step {
  public:
    using Step::Step;
    void apply(const Kernels&, std::span<const View>, Tile&) const override {}
};

class Pad : public Producer {
  public:
    Pad(const Value& in, const Shape& out, const Triple& before, float value)
        : Producer(Value{Kind::real, out}), in_(in.shape), before_(before), value_(value) {}

    void run(const Call& call, const Part& part, Sink& sink) const override {
        each_tile(part, result.shape, sink, [&](const Tile& tile) {
            // Coordinates before the input wrap and so lie outside it.
            const std::size_t z = tile.z - before_[0], y = tile.y - before_[1];
            for (std::size_t p = 0; p < tile.pixels; ++p) {
                const std::size_t x = tile.x + p - before_[2];
                float* out = tile.data + p * tile.stride;
                if (z < in_.d && y < in_.h && x < in_.w) {
                    std::copy_n(call.in(0).real(distance(z), distance(y), distance(x)), in_.c, out);
                } else {
                    std::fill_n(out, in_.c, value_);
                }
            }
        });
    }

  private:
    Shape in_;
    Triple before_;
    float value_;
};

// Three planes to pixels, four at a time.
void interleave(const float* red, const float* green, const float* blue, std::size_t n, float* to) {
    using Four = float __attribute__((vector_size(16)));
    using Places = int __attribute__((vector_size(16)));
    std::size_t i = 0;
    for (; i + 4 <= n; i += 4, to += 12) {
        Four r, g, b;
        std::memcpy(&r, red + i, sizeof r);
        std::memcpy(&g, green + i, sizeof g);
        std::memcpy(&b, blue + i, sizeof b);
        const Four rg = __builtin_shuffle(r, g, Places{0, 4, 1, 5});  // r0 g0 r1 g1
        const Four gb = __builtin_shuffle(g, b, Places{1, 5, 2, 6});  // g1 b1 g2 b2
        const Four br = __builtin_shuffle(b, r, Places{2, 7, 3, 6});  // b2 r3 b3 r2
        const Four bg = __builtin_shuffle(b, g, Places{0, 7, 3, 6});  // b0 g3 b3 g2
        const Four pixels[] = {__builtin_shuffle(rg, bg, Places{0, 1, 4, 2}),
                               __builtin_shuffle(gb, br, Places{0, 1, 7, 2}),
                               __builtin_shuffle(br, bg, Places{0, 1, 5, 6})};
        std::memcpy(to, pixels, sizeof pixels);
    }
    for (; i < n; ++i, to += 3) {
        to[0] = red[i];
        to[1] = green[i];
        to[2] = blue[i];
    }
}

}  // namespace

void Load::run(const Call& call, const Part& part, Sink& sink) const {
    const std::size_t channels = part.last_channel - part.first_channel;
    each_tile(part, result.shape, sink, [&](const Tile& tile) {
        for (std::size_t p = 0; p < tile.pixels; ++p) {
            const float* from =
                call.in(0).real(distance(tile.z), distance(tile.y), distance(tile.x + p));
            std::copy_n(from + part.first_channel, channels, tile.data + p * tile.stride);
        }
    });
}

void LoadPlanes::run(const Call& call, const Part& part, Sink& sink) const {
    const auto* planes = reinterpret_cast<const float*>(call.in(0).origin);
    const Shape& shape = result.shape;
    const std::size_t pixels = shape.pixels();
    each_tile(part, shape, sink, [&](const Tile& tile) {
        const float* from = planes + (tile.z * shape.h + tile.y) * shape.w + tile.x;
        if (shape.c == 3 && tile.stride == 3) {
            interleave(from, from + pixels, from + 2 * pixels, tile.pixels, tile.data);
            return;
        }
        for (std::size_t c = 0; c < shape.c; ++c, from += pixels) {
            for (std::size_t p = 0; p < tile.pixels; ++p) {
                tile.data[p * tile.stride + c] = from[p];
            }
        }
    });
}

void CopyBits::run(const Call& call, const Part& part, const View& out) const {
    const std::size_t bytes = result.words_per_pixel() * sizeof(std::uint64_t) * result.shape.w;
    each_row(part, result.shape, [&](std::size_t z, std::size_t y) {
        const auto* from = call.in(0).at(distance(z), distance(y), 0);
        std::copy_n(from, bytes, out.at(distance(z), distance(y), 0));
    });
}

void row_of_planes(const float* planes, const Shape& shape, std::size_t y, float* to) {
    const std::size_t pixels = shape.pixels();
    const float* from = planes + y * shape.w;
    if (shape.c == 3) {
        interleave(from, from + pixels, from + 2 * pixels, shape.w, to);
        return;
    }
    for (std::size_t c = 0; c < shape.c; ++c, from += pixels) {
        for (std::size_t x = 0; x < shape.w; ++x) to[x * shape.c + c] = from[x];
    }
}

OpPtr make_concat(std::span<const Value> inputs) {
    require(!inputs.empty(), "at least one input is needed");
    Shape out = inputs.front().shape;
    out.c = 0;
    std::vector<std::size_t> channels;
    for (const Value& in : inputs) {
        require_real(in);
        const Shape& s = in.shape;
        require(s.d == out.d && s.h == out.h && s.w == out.w,
                "all inputs must have the same sides");
        channels.push_back(s.c);
        out.c += s.c;
    }
    return std::make_unique<Concat>(Value{Kind::real, out}, std::move(channels));
}

OpPtr make_flatten(const Value& in) {
    require_real(in);
    if (in.shape.pixels() == 1) return std::make_unique<FlattenPixel>(in);
    return std::make_unique<Flatten>(in);
}

OpPtr make_pad(const Value& in, const Triple& before, const Triple& after, float value) {
    require_real(in);
    require(std::isfinite(value), "value must be finite");
    const Shape& s = in.shape;
    const Shape out{before[0] + s.d + after[0], before[1] + s.h + after[1],
                    before[2] + s.w + after[2], s.c};
    return std::make_unique<Pad>(in, out, before, value);
}

}  // namespace bitgrove::runtime
