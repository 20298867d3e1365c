#include "forest.hpp"

#include <algorithm>

namespace bitgrove::runtime {
namespace {

constexpr std::size_t few_rows = 8;  // fewer go step by step: their ranks would not pay

template <typename T>
std::vector<T> copied(std::span<const T> from) {
    return {from.begin(), from.end()};
}

// Blocks hold 31 nodes whether a tree has them or not: deep and thin ones would need many.
constexpr std::size_t most_per_node = 64;

template <class Rank>
std::optional<BlockLayout<Rank>> blocks(const Trees& trees, const Columns& columns) {
    BlockLayout<Rank> made(trees, columns);
    if (made.bytes() > most_per_node * trees.nodes() + (1 << 20)) return {};
    return made;
}

}  // namespace

Forest::Forest(const Trees& trees, std::size_t channels, const Kernels& kernels)
    : kernels_(*kernels.forest), outs_(trees.outs) {
    check(trees, channels);
    missing_ = std::find(trees.missing.begin(), trees.missing.end(), 1) != trees.missing.end();
    leaf_ = copied(trees.leaf);
    bias_ = copied(trees.bias);
    bias_.resize(outs_, 0.0f);
    steps_ = StepLayout::of(trees);
    if (!steps_) {
        nodes_ = {copied(trees.feature), copied(trees.children), copied(trees.root),
                  copied(trees.threshold), copied(trees.missing)};
        nodes_.missing.resize(trees.nodes(), 0);
        return;
    }
    if (!kernels_.bytes || trees.nodes() == 0) return;
    const auto columns = Columns::of(trees, kForestColumns);
    if (!columns) return;
    if (columns->most_thresholds < 256) {
        bytes_ = blocks<std::uint8_t>(trees, *columns);
    } else if (columns->most_thresholds < 65536 && columns->columns.size() <= kForestWideColumns) {
        words_ = blocks<std::uint16_t>(trees, *columns);
    }
    if (bytes_ || words_) ranks_.emplace(*columns);
}

const char* Forest::layout() const {
    return !steps_ ? "nodes" : bytes_ ? "bytes" : words_ ? "words" : "steps";
}

std::size_t Forest::bytes() const {
    std::size_t all = (leaf_.size() + bias_.size()) * sizeof(float);
    if (steps_) all += steps_->bytes();
    if (ranks_) all += ranks_->bytes();
    if (bytes_) all += bytes_->bytes();
    if (words_) all += words_->bytes();
    return all + 16 * nodes_.feature.size() + nodes_.missing.size() + 4 * nodes_.root.size();
}

std::size_t Forest::rows_at_once() const {
    constexpr std::size_t numbers = 1 << 16;  // of results, so that they stay in the cache
    return std::clamp<std::size_t>(numbers / padded_outs(), 16, kForestRows);
}

std::size_t Forest::room_bytes() const {
    return whole_lines(rows_at_once() * padded_outs() * sizeof(float)) + (ranks_ ? kForestRoom : 0);
}

void Forest::run(const float* x, std::size_t stride, std::size_t rows, float* out,
                 std::size_t out_stride, std::byte* room) const {
    const std::size_t most = rows_at_once(), padded = padded_outs();
    auto* sums = reinterpret_cast<float*>(room);
    for (std::size_t first = 0; first < rows; first += most) {
        const std::size_t count = std::min(most, rows - first);
        for (std::size_t r = 0; r < count; ++r) {
            std::copy(bias_.begin(), bias_.end(), sums + r * padded);
            std::fill(sums + r * padded + outs_, sums + (r + 1) * padded, 0.0f);
        }
        add({x + first * stride, stride, count, sums, padded},
            room + whole_lines(most * padded * sizeof(float)));
        for (std::size_t r = 0; r < count; ++r) {
            std::copy_n(sums + r * padded, outs_, out + (first + r) * out_stride);
        }
    }
}

void Forest::add(const ForestRows& rows, std::byte* room) const {
    const ForestLeaves leaves{leaf_.data(), outs_};
    if (!steps_) {
        add_nodes(rows);
        return;
    }
    if (ranks_ && rows.rows >= few_rows) {
        const RankTables ranks = ranks_->view();
        if (bytes_ ? kernels_.bytes(bytes_->view(), ranks, leaves, rows, !missing_, room)
                   : kernels_.words(words_->view(), ranks, leaves, rows, !missing_, room)) {
            return;
        }
    }
    kernels_.steps(steps_->view(), leaves, rows);
}

void Forest::add_nodes(const ForestRows& rows) const {
    for (std::size_t r = 0; r < rows.rows; ++r) {
        const float* x = rows.x + r * rows.stride;
        float* out = rows.out + r * rows.out_stride;
        for (std::int32_t at : nodes_.root) {
            while (at >= 0) {
                const auto node = static_cast<std::size_t>(at);
                const float value = x[nodes_.feature[node]];
                const bool right =
                    value != value ? nodes_.missing[node] : value > nodes_.threshold[node];
                at = nodes_.children[2 * node + right];
            }
            const float* leaf = leaf_.data() + static_cast<std::size_t>(~at) * outs_;
            for (std::size_t c = 0; c < outs_; ++c) out[c] += leaf[c];
        }
    }
}

}  // namespace bitgrove::runtime
