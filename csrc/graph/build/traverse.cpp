#include <algorithm>
#include <utility>

#include "../graph.hpp"
#include "../random.hpp"
#include "prepare.hpp"
#include "traverse_add.hpp"

namespace bitgrove::graph {
namespace {

// Algorithm 4 on random pairs, until the walks of one round succeed often enough.
void traverse(GrowingEdges& growing, const std::vector<Row>& vertices, const Pairs& key,
              const TraverseOptions& options, const Tick& tick) {
    const auto count = static_cast<std::uint32_t>(vertices.size());
    if (count < 2) return;
    const std::size_t most = options.calls_per_row * count;
    const std::size_t round = std::max<std::size_t>(64, count / 4);
    Random random(options.seed);
    TraverseAdd<Pairs> traverse_add(growing, key);
    std::size_t successes = 0;
    for (std::size_t call = 1; call <= most; ++call) {
        const std::uint32_t a = random.below(count);
        const std::uint32_t other = random.below(count - 1);
        const std::uint32_t b = other < a ? other : other + 1;
        successes += traverse_add(vertices[a], vertices[b]);
        if (tick && call % 1024 == 0) tick(call, most, "traverse");
        if (call % round == 0) {
            if (static_cast<double>(successes) >= options.success * static_cast<double>(round)) {
                break;
            }
            successes = 0;
        }
    }
    if (tick) tick(most, most, "traverse");
}

// Algorithm 3 from every vertex for itself, then algorithm 2 on what it saw. Reads the old graph
// and writes the new one, so that the order in which threads come does not matter.
void refine(Graph& graph, const Rows& rows, const GrowingEdges& growing,
            const std::vector<Row>& vertices, const TraverseOptions& options, const Tick& tick) {
    const Pairs key = graph.pairs(rows);
    const std::size_t limit = kept_degree(graph.edges.stride());
    struct Scratch {
        Walk walk;
        std::vector<Ranked> seen, kept;
    };
    std::vector<Scratch> scratch(std::max<std::size_t>(1, options.threads));
    const auto work = [&](std::size_t begin, std::size_t end, std::size_t worker) {
        auto& [walk, seen, kept] = scratch[worker];
        for (std::size_t i = begin; i < end; ++i) {
            const Row v = vertices[i];
            seen.clear();
            const auto visit = [&seen](Row row, Key k) {
                seen.push_back(ranked(k, row));
                return false;
            };
            backtrack(
                growing, vertices.size(), v, kBudget, walk, [&](Row row) { return key(row, v); },
                visit);
            std::sort(seen.begin(), seen.end());
            prune(v, seen, limit, key, kept);
            graph.edges.assign(v, kept);
        }
    };
    parallel_blocks(vertices.size(), 64, options.threads, "refine", tick, work);
}

}  // namespace

Graph build_by_traversal(const Rows& rows, std::uint32_t max_degree, const TraverseOptions& options,
                         const Tick& tick) {
    Graph graph = prepare(rows, max_degree);
    const std::vector<Row> vertices = vertices_of(graph);
    graph.start = central_vertex(graph, rows, vertices);
    graph.linked = vertices.size();
    {
        GrowingEdges growing(rows.size());
        traverse(growing, vertices, graph.pairs(rows), options, tick);
        refine(graph, rows, growing, vertices, options, tick);
    }
    repair_all(graph, rows, options.threads, tick);
    return graph;
}

}  // namespace bitgrove::graph
