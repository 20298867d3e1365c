// The last steps of a build: lists cut to the degree limit, rows sorted for the caches.
#pragma once
#include <vector>

#include "../graph.hpp"

namespace bitgrove::graph {

// Prunes the lists that are longer than the degree limit allows, and gives all that stride.
void trim(Graph& graph, const Rows& rows, std::uint32_t max_degree, const BuildOptions& options);

// All rows, so that those that a walk visits together lie together: breadth first from the start,
// neighbours nearest first; twins behind their vertex.
std::vector<Row> cache_order(const Graph& graph);

}  // namespace bitgrove::graph
