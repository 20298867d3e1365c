// The decision trees of a `forest` as they lie in a file, and the checks that make them safe to
// walk.
#pragma once
#include <cstdint>
#include <span>

#include "value.hpp"

namespace bitgrove::runtime {

using Indices = std::span<const std::int32_t>;

// A node sends x right where x[feature] > threshold, else left; NaN goes left, or right where
// `missing` is 1. A child or a root that is negative is the leaf ~child.
struct Trees {
    Indices feature;                        // [nodes]
    std::span<const float> threshold;       // [nodes]
    Indices children;                       // [nodes][2]: left, right
    Indices root;                           // [trees]
    std::span<const float> leaf;            // [leaves][outs]
    std::span<const float> bias;            // [outs] or empty
    std::span<const std::uint8_t> missing;  // [nodes] or empty
    std::size_t outs;

    std::size_t nodes() const { return feature.size(); }
    std::size_t leaves() const { return leaf.size() / outs; }
};

// Throws std::invalid_argument, with the reason, unless the sizes fit, every index is in range, all
// numbers are finite, and every node belongs to one tree: then a walk ends within as many steps as
// there are nodes.
void check(const Trees& trees, std::size_t channels);

}  // namespace bitgrove::runtime
