#include <algorithm>
#include <stdexcept>
#include <utility>

#include "../graph.hpp"
#include "../random.hpp"
#include "prepare.hpp"
#include "refine.hpp"
#include "traverse_add.hpp"

namespace bitgrove::graph {
namespace {

constexpr std::size_t kFirstBlock = 64;  // pairs tried side by side in an empty graph ...
constexpr double kBlockShare = 0.25;     // ... and later for each pair that failed so far

// Algorithm 4 on random pairs, until the walks of one round succeed often enough. The pairs of a
// block are tried side by side; what they add is never much against what there is.
void traverse(GrowingEdges& growing, const std::vector<Row>& vertices, const Pairs& key,
              const TraverseOptions& options, const Tick& tick) {
    const auto count = static_cast<std::uint32_t>(vertices.size());
    if (count < 2) return;
    const std::size_t most = options.calls_per_row * count;
    const std::size_t round = std::max<std::size_t>(kFirstBlock, count / 4);
    Random random(options.seed);
    TraverseAdd<Pairs> traverse_add(growing, key, options.tau, options.threads);
    std::vector<std::pair<Row, Row>> calls;
    std::size_t called = 0, failed = 0, called_in_round = 0, succeeded_in_round = 0;
    while (called < most) {
        const std::size_t block = std::min(
            {round, most - called,
             std::max(kFirstBlock, static_cast<std::size_t>(kBlockShare * double(failed)))});
        calls.clear();
        while (calls.size() < block) {
            const std::uint32_t a = random.below(count);
            const std::uint32_t b = random.below(count - 1);
            calls.push_back({vertices[a], vertices[b < a ? b : b + 1]});
        }
        const std::size_t succeeded = traverse_add(calls);
        called += block;
        failed += block - succeeded;
        called_in_round += block;
        succeeded_in_round += succeeded;
        if (tick) tick(called, most, "traverse");
        if (called_in_round < round) continue;
        if (double(succeeded_in_round) >= options.success * double(called_in_round)) break;
        called_in_round = succeeded_in_round = 0;
    }
    if (tick) tick(most, most, "traverse");
}

// Without the refinement: the shortest edges that traverse-add has found.
void truncate(const GrowingEdges& growing, Edges& edges, const std::vector<Row>& vertices,
              std::size_t limit) {
    for (const Row v : vertices) {
        const auto list = growing.of(v);
        edges.assign(
            v, std::vector<Ranked>(list.begin(), list.begin() + std::min(limit, list.size())));
    }
}

}  // namespace

Graph build_by_traversal(const Rows& rows, std::uint32_t max_degree, const TraverseOptions& options,
                         const Tick& tick) {
    if (options.tau > 0 && rows.format().metric != Metric::l2) {
        throw std::invalid_argument("tau is a Euclidean distance: it needs the metric l2");
    }
    Graph graph = prepare(rows, max_degree);
    const std::vector<Row> vertices = vertices_of(graph);
    graph.start = central_vertex(graph, rows, vertices);
    graph.linked = vertices.size();
    {
        GrowingEdges growing(rows.size());
        const Pairs key = graph.pairs(rows);
        const std::size_t limit = kept_degree(max_degree);
        traverse(growing, vertices, key, options, tick);
        if (options.refine) {
            refine(growing, graph.edges, vertices, key,
                   {options.threads, options.refine_budget, limit, options.tau}, tick);
        } else {
            truncate(growing, graph.edges, vertices, limit);
        }
    }
    repair_all(graph, rows, options.threads, tick);
    return graph;
}

}  // namespace bitgrove::graph
