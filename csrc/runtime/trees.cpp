#include "trees.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace bitgrove::runtime {
namespace {

constexpr std::size_t most_nodes = 1 << 28, most_outs = 1 << 24;

bool all_finite(std::span<const float> numbers) {
    return std::all_of(numbers.begin(), numbers.end(), [](float x) { return std::isfinite(x); });
}

void check_sizes(const Trees& trees, std::size_t channels) {
    const std::size_t nodes = trees.nodes();
    require(channels >= 1, "a forest needs at least one channel");
    require(trees.outs >= 1 && trees.outs <= most_outs, "a leaf must hold 1 to 2^24 numbers");
    require(!trees.root.empty(), "a forest needs at least one tree");
    require(trees.leaf.size() >= trees.outs && trees.leaf.size() % trees.outs == 0,
            "leaf must have shape (leaves, channels of the result)");
    require(nodes <= most_nodes && trees.root.size() <= most_nodes && trees.leaves() <= most_nodes,
            "a forest has at most 2^28 nodes, trees and leaves");
    require(trees.threshold.size() == nodes, "threshold must have one number per node");
    require(trees.children.size() == 2 * nodes, "children must have shape (nodes, 2)");
    require(trees.bias.empty() || trees.bias.size() == trees.outs,
            "bias must have one number per channel of the result");
    require(trees.missing.empty() || trees.missing.size() == nodes,
            "missing must have one number per node");
}

}  // namespace

void check(const Trees& trees, std::size_t channels) {
    check_sizes(trees, channels);
    require(all_finite(trees.threshold) && all_finite(trees.leaf) && all_finite(trees.bias),
            "threshold, leaf and bias must be finite");
    for (std::int32_t f : trees.feature) {
        require(f >= 0 && static_cast<std::size_t>(f) < channels,
                "feature must be a channel 0 to " + std::to_string(channels - 1) + ", got " +
                    std::to_string(f));
    }
    require(std::all_of(trees.missing.begin(), trees.missing.end(),
                        [](std::uint8_t m) { return m <= 1; }),
            "missing must be 0 or 1");
    // Each node has one parent, or is one root. Then no walk from a root can come back to a node,
    // and the nodes that are left over, if any, are cycles by themselves.
    const std::size_t nodes = trees.nodes(), leaves = trees.leaves();
    std::vector<bool> taken(nodes);
    const auto take = [&](std::int32_t child, const char* name) {
        if (child < 0) {
            require(static_cast<std::size_t>(~child) < leaves,
                    std::string(name) + " " + std::to_string(child) + " is past the leaves");
            return;
        }
        const auto node = static_cast<std::size_t>(child);
        require(node < nodes,
                std::string(name) + " " + std::to_string(child) + " is past the nodes");
        require(!taken[node], "node " + std::to_string(node) + " has two parents or is a cycle");
        taken[node] = true;
    };
    for (std::int32_t root : trees.root) take(root, "root");
    for (std::int32_t child : trees.children) take(child, "child");
    const auto lost = std::find(taken.begin(), taken.end(), false);
    require(lost == taken.end(),
            "node " + std::to_string(lost - taken.begin()) + " belongs to no tree");
    // All nodes have a parent or are roots; a cycle beside the trees is still possible.
    std::vector<std::int32_t> open;
    std::size_t reached = 0;
    for (std::int32_t root : trees.root) open.push_back(root);
    while (!open.empty()) {
        const std::int32_t node = open.back();
        open.pop_back();
        if (node < 0) continue;
        ++reached;
        for (int side : {0, 1}) {
            open.push_back(trees.children[2 * static_cast<std::size_t>(node) +
                                          static_cast<std::size_t>(side)]);
        }
    }
    require(reached == nodes, "some nodes are a cycle");
}

}  // namespace bitgrove::runtime
