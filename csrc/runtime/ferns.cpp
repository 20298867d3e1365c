// Random ferns at every pixel: the questions are about its channels, the sums of the leaves are the
// channels of the result.
#include <cstring>

#include "aligned.hpp"
#include "fern_rows.hpp"
#include "op.hpp"

namespace bitgrove::runtime {
namespace {

template <typename Leaf>
class Ferns : public Producer {
  public:
    using Sum = FernSum<Leaf>;

    Ferns(const Value& result, FernQuestions<float> questions, std::span<const Leaf> table,
          float scale, Floats bias)
        : Producer(result),
          questions_(std::move(questions)),
          width_(result.shape.c == 1 ? 1
                                     : (result.shape.c + kFernGroup - 1) / kFernGroup * kFernGroup),
          scale_(scale),
          bias_(bias.begin(), bias.end()) {
        const std::size_t channels = result.shape.c, rows = table.size() / channels;
        table_.resize(rows * width_);
        for (std::size_t r = 0; r < rows; ++r) {
            std::copy_n(table.data() + r * channels, channels, table_.data() + r * width_);
        }
    }

    Work work() const override {
        return {0, 0, table_.size() * sizeof(Leaf) + questions_.ferns() * questions_.depth() * 8};
    }

    std::size_t scratch_bytes() const override {
        return whole_lines(questions_.scratch_bytes()) + leaf_bytes() +
               pixels() * width_ * sizeof(Sum);
    }

    void run(const Call& call, const Part& part, Sink& sink) const override {
        auto* leaves = reinterpret_cast<std::uint16_t*>(call.scratch +
                                                        whole_lines(questions_.scratch_bytes()));
        auto* sums = reinterpret_cast<Sum*>(reinterpret_cast<std::byte*>(leaves) + leaf_bytes());
        const FernKernels& kernels = *call.kernels.ferns;
        const std::size_t room = whole_blocks(pixels());
        each_tile(part, result.shape, sink, [&](const Tile& tile) {
            const View& in = call.in(0);
            questions_.leaves(kernels,
                              in.real(distance(tile.z), distance(tile.y), distance(tile.x)),
                              static_cast<std::size_t>(in.pixel) / sizeof(float), tile.pixels,
                              call.scratch, leaves, room);
            std::fill_n(sums, tile.pixels * width_, Sum{0});
            add_votes(kernels, {leaves, room, questions_.ferns(), questions_.depth(), tile.pixels,
                                table_.data(), width_, sums});
            write(sums, tile);
        });
    }

  private:
    // Of a tile.
    std::size_t pixels() const { return tile_width(result.shape.w, result.shape.c); }
    std::size_t leaf_bytes() const {
        return whole_lines(questions_.ferns() * whole_blocks(pixels()) * sizeof(std::uint16_t));
    }

    void write(const Sum* sums, const Tile& tile) const {
        for (std::size_t p = 0; p < tile.pixels; ++p) {
            for (std::size_t c = 0; c < tile.channels; ++c) {
                float sum = static_cast<float>(sums[p * width_ + c]);
                if (!std::is_same_v<Leaf, float>) sum *= scale_;
                tile.data[p * tile.stride + c] = bias_.empty() ? sum : sum + bias_[c];
            }
        }
    }

    FernQuestions<float> questions_;
    std::size_t width_;        // of a row of the table
    std::vector<Leaf> table_;  // rows padded with zeros
    float scale_;
    std::vector<float> bias_;
};

// The channels of the result.
std::size_t channels_of(std::size_t cells, std::size_t ferns, std::size_t depth) {
    const std::size_t leaves = ferns << depth;
    require(cells > 0 && cells % leaves == 0,
            "leaf must have a row for each of the " + std::to_string(leaves) + " leaves");
    return cells / leaves;
}

template <typename Leaf>
OpPtr make(const Value& in, const FernTable& t, std::span<const Leaf> table, float scale) {
    require_real(in);
    FernQuestions<float> questions(in.shape.c, t.depth, t.feature, t.other, t.threshold);
    const std::size_t channels = channels_of(table.size(), questions.ferns(), t.depth);
    require(t.bias.empty() || t.bias.size() == channels, "bias must have one number per channel");
    if (!std::is_same_v<Leaf, float>) {
        require(questions.ferns() <= std::size_t{1} << 24, "too many ferns for sums in 32 bits");
    }
    Value out{Kind::real, in.shape};
    out.shape.c = channels;
    return std::make_unique<Ferns<Leaf>>(out, std::move(questions), table, scale, t.bias);
}

}  // namespace

OpPtr make_ferns(const Value& in, const FernTable& table, Floats leaf) {
    return make(in, table, leaf, 1.0f);
}

OpPtr make_ferns(const Value& in, const FernTable& table, std::span<const std::int8_t> codes,
                 Floats scale) {
    require(scale.size() == 1, "scale must be one number");
    return make(in, table, codes, scale[0]);
}

}  // namespace bitgrove::runtime
