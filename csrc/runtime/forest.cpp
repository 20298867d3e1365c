// Decision trees on every pixel.
#include <algorithm>

#include "op.hpp"

namespace bitgrove::runtime {
namespace {

template <typename Span>
auto copied(const Span& from) {
    return std::vector<typename Span::value_type>(from.begin(), from.end());
}

class Forest : public Producer {
  public:
    Forest(const Value& in, const Trees& t)
        : Producer(Value{Kind::real, {in.shape.d, in.shape.h, in.shape.w, t.outs}}),
          feature_(copied(t.feature)),
          children_(copied(t.children)),
          root_(copied(t.root)),
          threshold_(copied(t.threshold)),
          leaf_(copied(t.leaf)),
          bias_(copied(t.bias)),
          missing_(copied(t.missing)) {
        bias_.resize(t.outs);
        missing_.resize(t.nodes());
    }

    void run(const Call& call, const Part& part, Sink& sink) const override {
        each_tile(part, result.shape, sink, [&](const Tile& tile) {
            for (std::size_t p = 0; p < tile.pixels; ++p) {
                const float* x =
                    call.in(0).real(distance(tile.z), distance(tile.y), distance(tile.x + p));
                float* out = tile.data + p * tile.stride;
                std::copy(bias_.begin(), bias_.end(), out);
                for (std::int32_t root : root_) {
                    const float* leaf = leaf_.data() + leaf_of(root, x) * result.shape.c;
                    for (std::size_t c = 0; c < result.shape.c; ++c) out[c] += leaf[c];
                }
            }
        });
    }

    Work work() const override {
        return {.weight_bytes = 17 * feature_.size() + sizeof(float) * leaf_.size()};
    }

    std::size_t window_rows() const override { return 1; }
    Range rows_read(std::size_t y) const override { return {y, y + 1}; }
    bool makes_single_rows() const override { return true; }

  private:
    std::size_t leaf_of(std::int32_t at, const float* x) const {
        while (at >= 0) {
            const auto node = static_cast<std::size_t>(at);
            const float value = x[feature_[node]];
            const bool right = value != value ? missing_[node] : value > threshold_[node];
            at = children_[2 * node + right];
        }
        return static_cast<std::size_t>(~at);
    }

    std::vector<std::int32_t> feature_, children_, root_;
    std::vector<float> threshold_, leaf_, bias_;
    std::vector<std::uint8_t> missing_;
};

}  // namespace

OpPtr make_forest(const Value& in, const Trees& trees) {
    require_real(in);
    check(trees, in.shape.c);
    return std::make_unique<Forest>(in, trees);
}

}  // namespace bitgrove::runtime
