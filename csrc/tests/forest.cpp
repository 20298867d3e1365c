// Forests in every layout and at every level, on rows that end where the memory ends.
#include "../runtime/forest.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "../graph/random.hpp"
#include "check.hpp"
#include "fenced.hpp"

namespace {

using bitgrove::available;
using bitgrove::graph::Random;
using bitgrove::runtime::allocate;
using bitgrove::runtime::Forest;
using bitgrove::runtime::Trees;

struct Made {
    std::size_t channels, outs;
    std::vector<std::int32_t> feature, children, root;
    std::vector<float> threshold, leaf, bias;
    std::vector<std::uint8_t> missing;

    Trees trees() const { return {feature, threshold, children, root, leaf, bias, missing, outs}; }

    // One step after the other.
    std::vector<float> sums(const float* x) const {
        std::vector<float> out = bias;
        for (std::int32_t at : root) {
            while (at >= 0) {
                const auto node = static_cast<std::size_t>(at);
                const float value = x[feature[node]];
                const bool right = value > threshold[node] || (value != value && missing[node]);
                at = children[2 * node + right];
            }
            for (std::size_t c = 0; c < outs; ++c) {
                out[c] += leaf[static_cast<std::size_t>(~at) * outs + c];
            }
        }
        return out;
    }
};

float number(Random& random, std::size_t values) {
    return (static_cast<float>(random.below(values)) - static_cast<float>(values) / 2) / 7;
}

std::int32_t grow(Made& made, Random& random, int depth, std::size_t values) {
    if (depth == 0 || random.below(8) == 0) {
        for (std::size_t c = 0; c < made.outs; ++c) made.leaf.push_back(number(random, 100));
        return -static_cast<std::int32_t>(made.leaf.size() / made.outs);
    }
    const std::size_t node = made.feature.size();
    made.feature.push_back(static_cast<std::int32_t>(random.below(made.channels)));
    made.threshold.push_back(number(random, values));
    made.missing.push_back(static_cast<std::uint8_t>(random.below(2)));
    made.children.resize(2 * node + 2);
    const std::int32_t left = grow(made, random, depth - 1, values);
    const std::int32_t right = grow(made, random, depth - 1, values);
    made.children[2 * node] = left;
    made.children[2 * node + 1] = right;
    return static_cast<std::int32_t>(node);
}

Made made(Random& random, std::size_t channels, std::size_t outs, std::size_t values, int depth,
          int trees = 9) {
    Made all{.channels = channels, .outs = outs};
    for (std::size_t c = 0; c < outs; ++c) all.bias.push_back(number(random, 100));
    for (int tree = 0; tree < trees; ++tree) {
        all.root.push_back(grow(all, random, depth, values));
    }
    return all;
}

void agree(const Made& m, Random& random, std::size_t rows, std::size_t values, bool nan) {
    for (const bool at_end : {true, false}) {
        Fenced<float> x(rows * m.channels, at_end);
        for (std::size_t i = 0; i < x.size(); ++i) {
            x.data()[i] = number(random, values);
            if (nan && random.below(5) == 0) x.data()[i] = std::nanf("");
            if (random.below(50) == 0) x.data()[i] = std::numeric_limits<float>::infinity();
        }
        for (const auto& level : available()) {
            const Forest forest(m.trees(), m.channels, level);
            const auto room = allocate(forest.room_bytes());
            Fenced<float> out(rows * m.outs, at_end);
            forest.run(x.data(), m.channels, rows, out.data(), m.outs, room.get());
            for (std::size_t r = 0; r < rows; ++r) {
                const std::vector<float> expected = m.sums(x.data() + r * m.channels);
                for (std::size_t c = 0; c < m.outs; ++c) {
                    CHECK(out.data()[r * m.outs + c] == expected[c]);
                }
            }
        }
    }
}

void every_level_adds_the_leaves_that_steps_reach() {
    Random random(1);
    for (const std::size_t channels : {1, 40, 64, 65, 128, 129, 256, 300}) {
        for (const std::size_t values : {20, 3000}) {  // few thresholds, and more than bytes tell
            for (const int depth : {1, 5, 6, 11}) {
                const Made m = made(random, channels, depth == 6 ? 1 : 5, values, depth);
                for (const std::size_t rows : {1, 7, 8, 33}) {
                    agree(m, random, rows, values, depth == 5);
                }
            }
        }
    }
}

// Of which some are a leaf from the root on.
void any_number_of_trees() {
    Random random(3);
    for (const int depth : {1, 9}) {
        for (const int trees : {1, 2, 3, 4, 6, 7}) {
            for (const std::size_t outs : {1, 3}) {
                agree(made(random, 20, outs, 50, depth, trees), random, 200, 50, false);
            }
        }
    }
}

void more_rows_than_go_at_once_and_wide_leaves() {
    Random random(2);
    agree(made(random, 10, 1, 20, 7), random, 1500, 20, false);
    agree(made(random, 10, 3, 3000, 7), random, 1100, 3000, false);
    agree(made(random, 10, 100, 20, 5), random, 700, 20, false);
    for (const std::size_t rows : {64, 71, 300}) {  // past the columns of blocks, step by step
        agree(made(random, 400, 3, 3000, 12), random, rows, 3000, rows == 71);
    }
}

constexpr Test kTests[] = {
    {"forest: every level adds the leaves that steps reach",
     every_level_adds_the_leaves_that_steps_reach},
    {"forest: any number of trees", any_number_of_trees},
    {"forest: more rows than go at once, and wide leaves",
     more_rows_than_go_at_once_and_wide_leaves},
};

}  // namespace

std::span<const Test> forest_tests() {
    return kTests;
}
