// A graph from outside, a file say: nothing in it is trusted.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "../graph.hpp"

namespace bitgrove::graph {

struct Stored {
    Block<Row> edges;           // rows * max_degree, unused places kNoRow
    std::vector<Row> vertices;  // of each row; empty: each its own
    std::optional<Coder> coder;
    Block<std::uint8_t> codes;  // rows * Codes::stride_of(coder.bytes())
    std::int64_t start = -1;
    double squared_bound = 0;
    std::size_t checked = 0;
};

// Throws std::invalid_argument naming the array at fault. Without `verify` the edges and codes are
// not read: walks stop at an edge that leads nowhere, so that a fault in them costs results and
// nothing else.
Graph restore_graph(const Rows& rows, std::uint32_t max_degree, Stored stored, bool verify);

// What `verify` checks of the edges and codes: that they are those of these rows. Throws
// std::invalid_argument.
void check_graph(const Graph& graph, const Rows& rows);

}  // namespace bitgrove::graph
