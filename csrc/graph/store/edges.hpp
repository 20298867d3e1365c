// Edge lists of the two stages of a build. `of(v)` is sorted by (length, end), shortest first.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../key.hpp"

namespace bitgrove::graph {

// While traverse-add runs: any degree, each end with the length of its edge.
struct GrowingEdges {
    explicit GrowingEdges(std::size_t rows) : lists(rows) {}
    std::span<const Ranked> of(Row v) const { return lists[v]; }

    std::vector<std::vector<Ranked>> lists;
};

// The finished graph: at most `stride` edges a row, in one block.
class Edges {
  public:
    explicit Edges(std::uint32_t stride = 0) : stride_(stride) {}

    std::uint32_t stride() const { return stride_; }
    std::size_t rows() const { return degrees_.size(); }
    bool full(Row v) const { return degrees_[v] == stride_; }
    std::span<const Row> of(Row v) const {
        return {ends_.data() + static_cast<std::size_t>(v) * stride_, degrees_[v]};
    }

    // New rows have no edges.
    void resize(std::size_t rows) {
        degrees_.resize(rows);
        ends_.resize(rows * stride_);
        if (counting_) arrivals_.resize(rows);
    }

    // Counts the edges that end at each row, and keeps the counts true from now on. Until then
    // lists may be assigned by several threads.
    void count_arrivals() {
        counting_ = true;
        arrivals_.assign(rows(), 0);
        for (std::size_t v = 0; v < rows(); ++v) {
            for (const Row end : of(static_cast<Row>(v))) ++arrivals_[end];
        }
    }
    std::uint32_t arrivals(Row v) const { return arrivals_[v]; }

    // `ends` holds at most `stride` rows or ranked rows, sorted.
    template <typename End>
    void assign(Row v, const std::vector<End>& ends) {
        if (counting_) {
            for (const Row end : of(v)) --arrivals_[end];
            for (const End end : ends) ++arrivals_[static_cast<Row>(end)];
        }
        Row* place = ends_.data() + static_cast<std::size_t>(v) * stride_;
        degrees_[v] = static_cast<std::uint32_t>(ends.size());
        for (const End end : ends) *place++ = static_cast<Row>(end);
    }

  private:
    std::uint32_t stride_;
    std::vector<std::uint32_t> degrees_;
    std::vector<Row> ends_;
    std::vector<std::uint32_t> arrivals_;
    bool counting_ = false;
};

}  // namespace bitgrove::graph
