// Where fast walks begin: at the nearest of a few rows, spread evenly over the sorted rows and thus
// over the data. They cost about as much as the steps from one fixed start that they save where
// memory is near, and far less where it is not: they stay in the caches.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../key.hpp"

namespace bitgrove::graph {

struct Graph;

// About a quarter of the square root of `rows`, as a distance between two of them: a power of two,
// so that rows which are added later leave most entries as they were.
inline std::size_t entry_stride(std::size_t rows) {
    std::size_t stride = 1;
    while (stride * stride < 16 * rows) stride *= 2;
    return stride;
}

// The start of the graph, and vertices among the first `rows`; empty for an empty graph.
std::vector<Row> entries_of(const Graph& graph, std::size_t rows);

// The nearest entry, the first of equal ones, and the start of the graph, from which a walk that
// runs long enough reaches every vertex. toward(rows, count, keys) measures.
template <typename Toward>
std::array<Row, 2> begin_near(std::span<const Row> entries, std::vector<Key>& keys, Toward toward) {
    if (entries.size() == 1) return {entries.front(), entries.front()};
    if (keys.size() < entries.size()) keys.resize(entries.size());
    toward(entries.data(), entries.size(), keys.data());
    std::size_t best = 0;
    for (std::size_t i = 1; i < entries.size(); ++i) {
        if (keys[i] < keys[best]) best = i;
    }
    return {entries[best], entries.front()};
}

}  // namespace bitgrove::graph
