#include "entries.hpp"

#include "../graph.hpp"

namespace bitgrove::graph {

std::vector<Row> entries_of(const Graph& graph, std::size_t rows) {
    if (graph.start == kNoRow) return {};
    std::vector<Row> entries{graph.start};
    const std::size_t stride = entry_stride(rows);
    for (std::size_t r = stride / 2; r < rows; r += stride) {
        const Row row = static_cast<Row>(r);
        if (row != graph.start && graph.twins.is_vertex(row)) entries.push_back(row);
    }
    return entries;
}

}  // namespace bitgrove::graph
