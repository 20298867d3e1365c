// The fast construction: rows are inserted in batches into the graph of those before them.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "../graph.hpp"

namespace bitgrove::graph {

struct InsertOptions {
    std::size_t threads = 1;
    std::size_t width = 64;   // of the walks that seek neighbours
    float relax = 1.0f;       // >= 1: an edge occludes only what is so many times closer to its end
    std::size_t degree = 28;  // edges that a pruned list keeps
    Access access = {};       // of searches that run meanwhile
    std::size_t held = 0;     // rows that were linked before
};

// Algorithm 2 with the occlusion rule relaxed: from candidates sorted by (length, row), keeps those
// that no shorter kept edge occludes, until `limit` are kept.
void prune_relaxed(const std::vector<Ranked>& candidates, std::size_t limit, float relax,
                   const Measure& measure, std::vector<Ranked>& kept);

// Links the vertices listed, which have no edges yet, in this order. The result depends on the
// order and not on the number of threads: the walks of a batch read the graph as it was before the
// batch, and the edges back to its rows are added list by list, in order of their numbers.
void insert_vertices(Graph& graph, const Rows& rows, std::span<const Row> vertices,
                     const InsertOptions& options, const Tick& tick);

}  // namespace bitgrove::graph
