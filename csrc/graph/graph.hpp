// A built FANNG graph, its construction and its upkeep. The rows themselves are elsewhere.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "parallel.hpp"
#include "store/edges.hpp"
#include "store/pairs.hpp"
#include "store/twins.hpp"
#include "walk/walk.hpp"

namespace bitgrove::graph {

// Distances per query, unless told otherwise: the budget of searches, of the refinement, and of the
// check that every row is found.
inline constexpr std::size_t kBudget = 1000;

struct Graph {
    explicit Graph(std::uint32_t max_degree = 0) : edges(max_degree) {}

    Edges edges;
    Twins twins;
    Row start = kNoRow;        // where searches begin; kNoRow while there are no rows
    double squared_bound = 0;  // ip: the M^2 of the lifts, the largest |x|^2 when it was built
    std::vector<float> lift;   // ip: of each row; empty for other metrics
    std::size_t checked = 0;   // rows held when it was last checked that all of them are found

    Pairs pairs(const Rows& rows) const { return {rows, lift.empty() ? nullptr : lift.data()}; }
};

struct BuildOptions {
    std::size_t threads = 1;
    std::uint64_t seed = 0;
    double success = 0.90;           // of naive downhill walks, when traverse-add may stop ...
    std::size_t calls_per_row = 50;  // ... and it stops at this many calls
};

// Builds the graph of all rows: the same for any number of threads.
Graph build_graph(const Rows& rows, std::uint32_t max_degree, const BuildOptions& options,
                  const Tick& tick);

// Appends the lift of the next row, for ip.
void append_lift(Graph& graph, const Rows& rows);

// Edges that the refinement keeps; the rest of the degree limit is for links that make rows found.
inline std::size_t kept_degree(std::uint32_t max_degree) {
    return max_degree - (max_degree < 16 ? 1 : max_degree / 8);
}

// Adds the row after the last one of the graph. Rows that lost an edge are appended to `suspects`.
void insert_row(Graph& graph, const Rows& rows, Walk& walk, std::vector<Row>& suspects);

// Adds the new edge (u, v) in its place. If the list is full it makes room, and the ends that it
// drops are appended to `dropped`. A forced edge drops the end at which most other edges arrive.
// One that is not forced drops the edges that it occludes, else the longest; it is not added at all
// if a shorter edge occludes it, or if it would itself be the longest of a full list.
void link(Graph& graph, const Pairs& key, Row u, Row v, bool forced, std::vector<Row>& dropped);

// Searches for every suspect as a query would, and links those that are not found from the nearest
// row that is; repeats until all are found. Then every vertex can be reached from the start.
// Returns whether all were found at once, so that nothing changed.
bool repair(Graph& graph, const Rows& rows, std::vector<Row> suspects, std::size_t threads,
            const Tick& tick);

// `repair` for all rows, until nothing changes.
void repair_all(Graph& graph, const Rows& rows, std::size_t threads, const Tick& tick);

// Vertices that can be reached from the start, as flags.
std::vector<bool> reachable(const Graph& graph);

// Takes over a graph from outside. Throws std::invalid_argument naming the array at fault:
// everything that searches and additions rely on is checked, the lengths' order too.
Graph restore_graph(const Rows& rows, std::uint32_t max_degree, const std::uint32_t* degrees,
                    const Row* ends, std::size_t end_count, std::int64_t start,
                    double squared_bound, std::size_t checked);

}  // namespace bitgrove::graph
