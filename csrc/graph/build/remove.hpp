// Rows leave a graph.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../graph.hpp"

namespace bitgrove::graph {

// A copy of the graph for the rows whose flag is not 0, which stay in their order; `rows` becomes
// the copy of them. All others must have released their ids.
//
// Who had an edge to a vertex that goes chooses new edges: from the ends that stay, and in place of
// each that goes from its own ends (Singh et al., FreshDiskANN, arXiv 2105.09613, alg. 4), as many
// steps on as it takes where many go. Then rows that lost edges are searched for and linked again.
// The same for any number of threads.
Graph without_removed(const Graph& graph, Rows& rows, const std::vector<std::uint8_t>& alive,
                      std::size_t threads);

}  // namespace bitgrove::graph
