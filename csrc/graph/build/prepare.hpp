// What every construction starts from.
#pragma once
#include <cstddef>
#include <vector>

#include "../graph.hpp"

namespace bitgrove::graph {

// A graph of all rows without edges: twins found, lifts computed, no codes and no start yet.
Graph prepare(const Rows& rows, std::uint32_t max_degree);

// Appends the lift of the next row, for ip.
void append_lift(Graph& graph, const Rows& rows);

std::vector<Row> vertices_of(const Graph& graph);

// The vertex nearest to the mass centre: for bits the majority, ties to 1; for ip with the lift as
// one more coordinate; for cosine of the unit vectors.
Row central_vertex(const Graph& graph, const Rows& rows, const std::vector<Row>& vertices);

}  // namespace bitgrove::graph
