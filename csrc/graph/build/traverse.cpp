#include <cmath>
#include <numeric>
#include <utility>

#include "../graph.hpp"
#include "../random.hpp"
#include "traverse_add.hpp"

namespace bitgrove::graph {
namespace {

std::vector<Row> vertices_of(const Graph& graph) {
    std::vector<Row> vertices;
    for (std::size_t row = 0; row < graph.twins.size(); ++row) {
        if (graph.twins.is_vertex(static_cast<Row>(row))) {
            vertices.push_back(static_cast<Row>(row));
        }
    }
    return vertices;
}

double squared_length(const Rows& rows, std::size_t row, std::vector<double>& x) {
    decode(rows.format(), rows.row(row), x.data());
    double sum = 0;
    for (const double v : x) sum += v * v;
    return sum;
}

// The vertex nearest to the mass centre: for bits the majority, ties to 1; for ip with the lift as
// one more coordinate; for cosine of the unit vectors.
Row central_vertex(const Graph& graph, const Rows& rows, const std::vector<Row>& vertices) {
    const Format& format = rows.format();
    std::vector<double> centre(format.dim + 1, 0.0), x(format.dim + 1, 0.0);
    const auto load = [&](std::size_t row) {
        decode(format, rows.row(row), x.data());
        if (!graph.lift.empty()) x.back() = graph.lift[row];
    };
    for (std::size_t row = 0; row < rows.size(); ++row) {
        load(row);
        for (std::size_t i = 0; i < x.size(); ++i) centre[i] += x[i];
    }
    for (double& c : centre) {
        c /= static_cast<double>(rows.size());
        if (format.dtype == Dtype::bits) c = c >= 0.5 ? 1.0 : 0.0;
    }
    if (format.dtype == Dtype::bits) centre.back() = 0;
    Row best = kNoRow;
    double nearest = 0;
    for (const Row row : vertices) {
        load(row);
        double distance = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            distance += (x[i] - centre[i]) * (x[i] - centre[i]);
        }
        if (best == kNoRow || distance < nearest) {
            best = row;
            nearest = distance;
        }
    }
    return best;
}

// Algorithm 4 on random pairs, until the walks of one round succeed often enough.
void traverse(GrowingEdges& growing, const std::vector<Row>& vertices, const Pairs& key,
              const BuildOptions& options, const Tick& tick) {
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
            const std::vector<Row>& vertices, const BuildOptions& options, const Tick& tick) {
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

void append_lift(Graph& graph, const Rows& rows) {
    if (rows.format().metric != Metric::ip) return;
    std::vector<double> x(rows.format().dim);
    const double squared = squared_length(rows, graph.lift.size(), x);
    graph.lift.push_back(
        static_cast<float>(std::sqrt(std::max(0.0, graph.squared_bound - squared))));
}

Graph build_graph(const Rows& rows, std::uint32_t max_degree, const BuildOptions& options,
                  const Tick& tick) {
    Graph graph(max_degree);
    if (rows.format().metric == Metric::ip) {
        std::vector<double> x(rows.format().dim);
        for (std::size_t row = 0; row < rows.size(); ++row) {
            graph.squared_bound = std::max(graph.squared_bound, squared_length(rows, row, x));
        }
    }
    for (std::size_t row = 0; row < rows.size(); ++row) {
        graph.twins.append(rows);
        append_lift(graph, rows);
    }
    graph.edges.resize(rows.size());
    const std::vector<Row> vertices = vertices_of(graph);
    graph.start = central_vertex(graph, rows, vertices);
    {
        GrowingEdges growing(rows.size());
        traverse(growing, vertices, graph.pairs(rows), options, tick);
        refine(graph, rows, growing, vertices, options, tick);
    }
    graph.edges.count_arrivals();
    repair_all(graph, rows, options.threads, tick);
    return graph;
}

}  // namespace bitgrove::graph
