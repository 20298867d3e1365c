#include "entries.hpp"

#include "../graph.hpp"

namespace bitgrove::graph {

std::vector<Row> entries_of(const Graph& graph, std::size_t rows) {
    if (graph.start == kNoRow) return {};
    std::vector<Row> entries{graph.start};
    const std::size_t stride = entry_stride(rows);
    // One in each stretch, and not at the same place of each: rows that lie a power of two apart
    // would all want the same few lines of a cache.
    for (std::size_t first = 0, place = stride / 2; first < rows; first += stride, place += 97) {
        const std::size_t row = first + place % stride;
        if (row < rows && row != graph.start && graph.twins.is_vertex(static_cast<Row>(row))) {
            entries.push_back(static_cast<Row>(row));
        }
    }
    return entries;
}

}  // namespace bitgrove::graph
