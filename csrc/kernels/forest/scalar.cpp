#include "bitgrove/forest.hpp"

namespace bitgrove::forest {
namespace {

void add_leaf(const ForestLeaves& leaves, std::int32_t number, float* out) {
    const float* leaf = leaves.leaf + static_cast<std::size_t>(number) * leaves.outs;
    for (std::size_t c = 0; c < leaves.outs; ++c) out[c] += leaf[c];
}

// Rows walk side by side, so that the wait for one's node is filled by the others.
constexpr std::size_t together = 8;

template <bool Missing>
void walk(const ForestSteps& f, std::size_t tree, const ForestRows& rows, std::size_t row,
          std::size_t count, std::uint32_t (&at)[together]) {
    const TreeStep* steps = f.steps + f.first[tree];
    const std::uint8_t* missing = Missing ? f.missing + f.first[tree] : nullptr;
    const std::uint32_t features = (1u << f.feature_bits) - 1;
    const std::uint32_t least = f.least_depth[tree];
    for (std::size_t i = 0; i < count; ++i) at[i] = 0;
    for (std::uint32_t depth = 0;; ++depth) {
        std::uint32_t moved = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const TreeStep step = steps[at[i]];
            const float x = rows.x[(row + i) * rows.stride + (step.where & features)];
            bool right = x > step.threshold;
            if constexpr (Missing) right |= x != x && missing[at[i]];
            const std::uint32_t next = (step.where >> f.feature_bits) + right;
            moved |= next ^ at[i];
            at[i] = next;
        }
        if (depth >= least && moved == 0) return;
    }
}

template <bool Missing>
void all(const ForestSteps& f, const ForestLeaves& leaves, const ForestRows& rows) {
    std::uint32_t at[together];
    for (std::size_t row = 0; row < rows.rows; row += together) {
        const std::size_t count = rows.rows - row < together ? rows.rows - row : together;
        for (std::size_t t = 0; t < f.trees; ++t) {
            if (count == together) {
                walk<Missing>(f, t, rows, row, together, at);
            } else {
                walk<Missing>(f, t, rows, row, count, at);
            }
            for (std::size_t i = 0; i < count; ++i) {
                add_leaf(leaves, f.leaf[f.first[t] + at[i]],
                         rows.out + (row + i) * rows.out_stride);
            }
        }
    }
}

void steps(const ForestSteps& f, const ForestLeaves& leaves, const ForestRows& rows) {
    if (f.missing) {
        all<true>(f, leaves, rows);
    } else {
        all<false>(f, leaves, rows);
    }
}

}  // namespace

const ForestKernels scalar{steps, nullptr, nullptr};

}  // namespace bitgrove::forest
