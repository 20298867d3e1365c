// Edge lists of the two stages of a build. `of(v)` is sorted by (length, end), shortest first.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "../key.hpp"
#include "block.hpp"

namespace bitgrove::graph {

// While traverse-add runs: any degree, each end with the length of its edge.
struct GrowingEdges {
    explicit GrowingEdges(std::size_t rows) : lists(rows) {}
    std::span<const Ranked> of(Row v) const { return lists[v]; }
    void prefetch(Row v) const { __builtin_prefetch(&lists[v]); }

    std::vector<std::vector<Ranked>> lists;
};

// At most `stride` edges a row, in one block: the unused places of a row hold kNoRow.
class Edges {
  public:
    explicit Edges(std::uint32_t stride = 0) : stride_(stride) {}
    // Takes over lists from outside, rows * stride places.
    Edges(std::uint32_t stride, Block<Row> ends, std::size_t rows)
        : stride_(stride), rows_(rows), capacity_(rows), ends_(std::move(ends)) {}

    std::uint32_t stride() const { return stride_; }
    std::size_t rows() const { return rows_; }
    const Row* list(Row v) const { return ends_.get() + static_cast<std::size_t>(v) * stride_; }
    bool full(Row v) const { return degree(v) == stride_; }
    std::size_t degree(Row v) const {
        const Row* ends = list(v);
        std::size_t degree = 0;
        // kNoRow, or what a damaged file holds
        while (degree < stride_ && ends[degree] < rows_) ++degree;
        return degree;
    }
    std::span<const Row> of(Row v) const { return {list(v), degree(v)}; }
    void prefetch(Row v) const {
        const auto* line = reinterpret_cast<const char*>(list(v));
        for (std::size_t i = 0; i < stride_ * sizeof(Row); i += 64) __builtin_prefetch(line + i);
    }

    // New rows have no edges.
    void resize(std::size_t rows) {
        if (rows > capacity_) {
            const std::size_t capacity = std::max(rows, capacity_ + capacity_ / 2);
            Block<Row> ends = allocate_block<Row>(capacity * stride_);
            if (rows_) std::memcpy(ends.get(), ends_.get(), rows_ * stride_ * sizeof(Row));
            ends_ = std::move(ends);
            capacity_ = capacity;
        }
        if (rows > rows_)
            std::fill(ends_.get() + rows_ * stride_, ends_.get() + rows * stride_, kNoRow);
        rows_ = rows;
        if (!arrivals_.empty()) arrivals_.resize(rows);
    }

    // Counts the edges that end at each row, and keeps the counts true until `forget_arrivals`.
    // Lists may be assigned by several threads only while there are no counts.
    void count_arrivals() {
        arrivals_.assign(rows_, 0);
        for (std::size_t v = 0; v < rows_; ++v) {
            for (const Row end : of(static_cast<Row>(v))) ++arrivals_[end];
        }
    }
    void forget_arrivals() { arrivals_ = {}; }
    std::uint32_t arrivals(Row v) const { return arrivals_[v]; }

    // `ends` holds at most `stride` rows or ranked rows, sorted.
    template <typename End>
    void assign(Row v, const std::vector<End>& ends) {
        if (!arrivals_.empty()) {
            for (const Row end : of(v)) --arrivals_[end];
            for (const End end : ends) ++arrivals_[static_cast<Row>(end)];
        }
        Row* place = ends_.get() + static_cast<std::size_t>(v) * stride_;
        Row* const past = place + stride_;
        for (const End end : ends) *place++ = static_cast<Row>(end);
        std::fill(place, past, kNoRow);
    }

  private:
    std::uint32_t stride_;
    std::size_t rows_ = 0, capacity_ = 0;
    Block<Row> ends_;
    std::vector<std::uint32_t> arrivals_;
};

}  // namespace bitgrove::graph
