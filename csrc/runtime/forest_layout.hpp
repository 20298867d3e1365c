// Trees as the kernels walk them.
#pragma once
#include <optional>
#include <vector>

#include "aligned.hpp"
#include "bitgrove/forest.hpp"
#include "trees.hpp"

namespace bitgrove::runtime {

// Steps of every tree, breadth first; none if the places of a tree and the features do not fit 32
// bits together.
class StepLayout {
  public:
    static std::optional<StepLayout> of(const Trees& trees);
    ForestSteps view() const;
    std::size_t bytes() const;

  private:
    std::vector<TreeStep> steps_;
    std::vector<std::int32_t> leaf_;
    std::vector<std::uint8_t> missing_;
    std::vector<std::uint32_t> first_, least_depth_;
    unsigned feature_bits_ = 0;
};

// The features that trees compare, and the thresholds of each in order, each once.
struct Columns {
    struct Column {
        std::int32_t feature;
        std::vector<float> sorted;
    };
    std::vector<Column> columns;
    std::vector<std::int32_t> of_node;  // which column a node compares
    std::size_t most_thresholds = 0;

    // None if there are more than `most`.
    static std::optional<Columns> of(const Trees& trees, std::size_t most);
};

class RankLayout {
  public:
    explicit RankLayout(const Columns& columns);
    RankTables view() const;
    std::size_t bytes() const;

  private:
    std::vector<std::int32_t> feature_, first_start_, first_sorted_, start_;
    std::vector<float> offset_, scale_, last_bucket_, sorted_;
    std::vector<std::uint8_t> steps_;
};

template <class Rank>
class BlockLayout {
  public:
    BlockLayout(const Trees& trees, const Columns& columns);
    ForestBlocks<Rank> view() const {
        return {column_.data(), rank_.data(), exits_.data(), root_.data(), root_.size()};
    }
    std::size_t bytes() const {
        return (column_.size() + rank_.size()) * sizeof(Rank) + exits_.size() * sizeof(int);
    }

  private:
    using Open = std::vector<std::pair<std::int32_t, std::size_t>>;  // a node, a place in exits_
    std::int32_t block_of(const Trees& trees, const Columns& columns,
                          const std::vector<std::int32_t>& heights, std::int32_t root, Open& open);

    std::vector<Rank> column_, rank_;
    std::vector<std::int32_t> exits_, root_;
};

}  // namespace bitgrove::runtime
