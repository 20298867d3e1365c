// A built FANNG graph, its construction and its upkeep. The rows themselves are elsewhere.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "access.hpp"
#include "parallel.hpp"
#include "store/codes.hpp"
#include "store/edges.hpp"
#include "store/measure.hpp"
#include "store/pairs.hpp"
#include "store/twins.hpp"
#include "walk/pool_walk.hpp"
#include "walk/walk.hpp"

namespace bitgrove::graph {

// Distances per walk of the paper's refinement.
inline constexpr std::size_t kBudget = 1000;

// Pool of the walks that check whether a row is found; also the default of searches.
inline constexpr std::size_t kWidth = 64;

struct Graph {
    explicit Graph(std::uint32_t max_degree = 0) : edges(max_degree) {}

    Edges edges;
    Twins twins;
    std::optional<Codes> codes;  // of all rows; none where walks measure rows themselves
    Row start = kNoRow;          // where searches begin; kNoRow while there are no rows
    double squared_bound = 0;    // ip: the M^2 of the lifts, the largest |x|^2 when it was built
    std::vector<float> lift;     // ip: of each row; empty for other metrics
    std::size_t linked = 0;      // vertices that have been linked
    std::size_t checked = 0;     // rows held when it was last checked that all of them are found,
                                 // less twice those removed since

    const float* lifts() const { return lift.empty() ? nullptr : lift.data(); }
    Pairs pairs(const Rows& rows) const { return {rows, lifts()}; }
    Measure measure(const Rows& rows) const { return {rows, codes ? &*codes : nullptr, lifts()}; }
};

struct BuildOptions {
    std::size_t threads = 1;
    std::uint64_t seed = 0;  // of the order in which rows are inserted
    std::size_t width = 64;  // of the walks that seek neighbours
    float relax = 1.1f;      // an edge occludes what is so many times closer to its end
    bool codes = true;       // walk on codes, where they fit the rows
};

// Builds the graph of all rows, by insertion in batches: the same for any number of threads. Sorts
// the rows so that neighbours lie near each other in memory.
Graph build_graph(Rows& rows, std::uint32_t max_degree, const BuildOptions& options,
                  const Tick& tick);

struct TraverseOptions {
    std::size_t threads = 1;
    std::uint64_t seed = 0;
    double success = 0.90;           // of naive downhill walks, when traverse-add may stop ...
    std::size_t calls_per_row = 50;  // ... and it stops at this many calls
    double tau = 0;                  // of eq. 3; above 0 for l2 only
    bool refine = true;
    std::size_t refine_budget = kBudget;  // distances of each vertex's walk
};

// The paper's construction. Rows stay in their order, and there are no codes.
Graph build_by_traversal(const Rows& rows, std::uint32_t max_degree, const TraverseOptions& options,
                         const Tick& tick);

// Edges that a construction keeps; the rest of the degree limit is for links that make rows found,
// and for those of rows that are added later.
inline std::size_t kept_degree(std::uint32_t max_degree) {
    return max_degree - (max_degree < 16 ? 1 : max_degree / 8);
}

// Adds the rows behind the last one of the graph. Searches may run beside it; what they must not
// see half done is done alone. If it throws, the others are still found and may be searched, but
// the new ones must be removed (`without_removed`) before any are added again.
void add_rows(Graph& graph, const Rows& rows, std::size_t threads, const Tick& tick,
              const Access& access = {});

// Adds the new edge (u, v) in its place. If the list is full it makes room by dropping the end at
// which most other edges arrive, and returns that end, else kNoRow. Needs counts of arrivals.
Row link(Graph& graph, const Measure& measure, Row u, Row v);

// Where the walks of a check begin: as searches do, so that each row is found by them; or at the
// start, so that each row can also be reached from there.
enum class Begin : std::uint8_t { entries, start };

// Walks to every suspect, and links those that are not found from the nearest row that is; repeats
// until all are found. Returns whether no other row lost an edge by it, which might have led to a
// third.
bool repair(Graph& graph, const Rows& rows, std::vector<Row> suspects, Begin begin,
            std::size_t threads, const Tick& tick, const Access& access = {});

// `repair` for all rows, until none loses an edge, and all can be reached from the start.
void repair_all(Graph& graph, const Rows& rows, std::size_t threads, const Tick& tick,
                const Access& access = {});

// Vertices that can be reached from the start, as flags.
std::vector<bool> reachable(const Graph& graph);

// Those that cannot. A build leaves none; rows that are added later may cut off an earlier one,
// rarely.
std::vector<Row> unreachable(const Graph& graph);

// Links these, until there are none. Returns whether there were some.
bool reach_all(Graph& graph, const Rows& rows, std::size_t threads, const Access& access = {});

// Keeps the rows listed, in this order, which are distinct; vertices take their edges with them.
// Edges to rows that are not kept vanish.
void rearrange(Graph& graph, Rows& rows, const std::vector<Row>& kept, std::size_t threads);

}  // namespace bitgrove::graph
