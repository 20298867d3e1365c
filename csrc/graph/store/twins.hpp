// Exact duplicates. Only the first of equal rows is a vertex of the graph; the others ride along,
// so that they neither form cliques nor cost distances, and all are found with it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "rows.hpp"

namespace bitgrove::graph {

class Twins {
  public:
    std::size_t size() const { return size_; }
    bool any() const { return !groups_.empty(); }
    Row vertex_of(Row row) const { return vertex_.empty() ? row : vertex_[row]; }
    bool is_vertex(Row row) const { return vertex_of(row) == row; }
    // The vertex of every row; empty if every row is one.
    const std::vector<Row>& vertices_of_rows() const { return vertex_; }

    // Appends the next row, as a vertex or as a twin of an earlier one. Where there is no memory it
    // throws, and changes nothing.
    Row append(const Rows& rows) {
        if (2 * (size_ + 1) > slots_.size()) grow(rows);
        const Row row = static_cast<Row>(size_);
        Row& slot = find(rows, row);
        const Row vertex = slot == kNoRow ? row : slot;
        append_as(rows, vertex);
        slot = vertex;
        return vertex;
    }

    // Appends the next row as a twin of `vertex`, or with its own number as a vertex.
    void append_as(const Rows& rows, Row vertex) {
        const Row row = static_cast<Row>(size_);
        if (vertex == row) {
            if (!vertex_.empty()) vertex_.push_back(vertex);
        } else {
            auto& group = groups_[vertex];
            if (group.capacity() < group.size() + 2) group.reserve(2 * group.size() + 2);
            if (vertex_.empty()) {
                vertex_.resize(row);
                for (Row r = 0; r < row; ++r) vertex_[r] = r;
            }
            vertex_.push_back(vertex);
            if (group.empty()) group.push_back(vertex);
            const auto lower = [&](Row a, Row b) { return rows.id(a) < rows.id(b); };
            group.insert(std::lower_bound(group.begin(), group.end(), row, lower), row);
        }
        ++size_;
    }

    // All rows equal to this vertex, itself too, by rising id; empty if it has no twin.
    std::span<const Row> of(Row vertex) const {
        const auto group = groups_.find(vertex);
        if (group == groups_.end()) return {};
        return group->second;
    }

  private:
    Row& find(const Rows& rows, Row row) {
        const std::size_t mask = slots_.size() - 1;
        std::size_t i = hash(rows.format(), rows.row(row)) & mask;
        while (slots_[i] != kNoRow && !same(rows.format(), rows.row(slots_[i]), rows.row(row))) {
            i = (i + 1) & mask;
        }
        return slots_[i];
    }

    void grow(const Rows& rows) {
        std::size_t slots = 16;
        while (slots < 4 * (size_ + 1)) slots *= 2;
        slots_.assign(slots, kNoRow);
        for (std::size_t r = 0; r < size_; ++r) {
            const Row row = static_cast<Row>(r);
            if (is_vertex(row)) find(rows, row) = row;
        }
    }

    std::size_t size_ = 0;
    std::vector<Row> vertex_;                           // of each row; empty: each its own
    std::unordered_map<Row, std::vector<Row>> groups_;  // members by rising id
    std::vector<Row> slots_;  // open addressing; a power of two; empty until it is needed
};

}  // namespace bitgrove::graph
