// Decision trees on every pixel of a value.
#include "forest.hpp"
#include "op.hpp"

namespace bitgrove::runtime {
namespace {

template <typename T>
std::vector<T> copied(std::span<const T> from) {
    return {from.begin(), from.end()};
}

class ForestOp : public Producer {
  public:
    ForestOp(const Value& in, const Trees& t)
        : Producer(Value{Kind::real, {in.shape.d, in.shape.h, in.shape.w, t.outs}}),
          channels_(in.shape.c),
          feature_(copied(t.feature)),
          children_(copied(t.children)),
          root_(copied(t.root)),
          threshold_(copied(t.threshold)),
          leaf_(copied(t.leaf)),
          bias_(copied(t.bias)),
          missing_(copied(t.missing)) {}

    void prepare(const Kernels& kernels, std::span<const Layout>) override {
        forest_.emplace(
            Trees{feature_, threshold_, children_, root_, leaf_, bias_, missing_, result.shape.c},
            channels_, kernels);
        feature_ = {}, children_ = {}, root_ = {}, missing_ = {};
        threshold_ = {}, leaf_ = {}, bias_ = {};
    }

    std::size_t scratch_bytes() const override { return forest_->room_bytes(); }

    void run(const Call& call, const Part& part, Sink& sink) const override {
        each_tile(part, result.shape, sink, [&](const Tile& tile) {
            const float* x = call.in(0).real(distance(tile.z), distance(tile.y), distance(tile.x));
            forest_->run(x, channels_, tile.pixels, tile.data, tile.stride, call.scratch);
        });
    }

    Work work() const override { return {.weight_bytes = forest_->bytes()}; }

    // One row is read at a time.
    std::size_t window_rows() const override { return 1; }
    Range rows_read(std::size_t y) const override { return {y, y + 1}; }
    bool makes_single_rows() const override { return true; }

  private:
    std::size_t channels_;
    // Until prepare().
    std::vector<std::int32_t> feature_, children_, root_;
    std::vector<float> threshold_, leaf_, bias_;
    std::vector<std::uint8_t> missing_;
    std::optional<Forest> forest_;
};

}  // namespace

OpPtr make_forest(const Value& in, const Trees& trees) {
    require_real(in);
    check(trees, in.shape.c);
    return std::make_unique<ForestOp>(in, trees);
}

}  // namespace bitgrove::runtime
