// Exact duplicates. Only the first of equal rows is a vertex of the graph; the others ride along,
// so that they neither form cliques nor cost distances, and all are found with it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "rows.hpp"

namespace bitgrove::graph {

class Twins {
  public:
    std::size_t size() const { return vertex_.size(); }
    bool is_vertex(Row row) const { return vertex_[row] == row; }
    Row vertex_of(Row row) const { return vertex_[row]; }
    const std::vector<Row>& vertices_of_rows() const { return vertex_; }

    // Appends the next row, as a vertex or as a twin of an earlier one.
    Row append(const Rows& rows) {
        const Row row = static_cast<Row>(vertex_.size());
        if (2 * (vertices_ + 1) > slots_.size()) grow(rows);
        Row& slot = find(rows, row);
        append_as(rows, row, slot == kNoRow ? row : slot);
        if (slot == kNoRow) {
            slot = row;
            ++vertices_;
        }
        return vertex_[row];
    }

    // All rows equal to this vertex, itself too, by rising id; empty if it has no twin.
    std::span<const Row> of(Row vertex) const {
        if (group_[vertex] == kNoRow) return {};
        return groups_[group_[vertex]];
    }

  private:
    void append_as(const Rows& rows, Row row, Row vertex) {
        vertex_.push_back(vertex);
        group_.push_back(kNoRow);
        if (vertex == row) return;
        if (group_[vertex] == kNoRow) {
            group_[vertex] = static_cast<Row>(groups_.size());
            groups_.push_back({vertex});
        }
        auto& group = groups_[group_[vertex]];
        const auto lower = [&](Row a, Row b) { return rows.id(a) < rows.id(b); };
        group.insert(std::lower_bound(group.begin(), group.end(), row, lower), row);
    }

    Row& find(const Rows& rows, Row row) {
        const std::size_t mask = slots_.size() - 1;
        std::size_t i = hash(rows.format(), rows.row(row)) & mask;
        while (slots_[i] != kNoRow && !same(rows.format(), rows.row(slots_[i]), rows.row(row))) {
            i = (i + 1) & mask;
        }
        return slots_[i];
    }

    void grow(const Rows& rows) {
        slots_.assign(std::max<std::size_t>(16, 4 * slots_.size()), kNoRow);
        for (std::size_t row = 0; row < vertex_.size(); ++row) {
            if (vertex_[row] == row) find(rows, static_cast<Row>(row)) = static_cast<Row>(row);
        }
    }

    std::vector<Row> vertex_;               // of each row
    std::vector<Row> group_;                // of each vertex, or kNoRow
    std::vector<std::vector<Row>> groups_;  // members by rising id
    std::vector<Row> slots_;                // open addressing; a power of two
    std::size_t vertices_ = 0;
};

}  // namespace bitgrove::graph
