#include <algorithm>
#include <atomic>
#include <numeric>
#include <utility>

#include "../graph.hpp"
#include "../random.hpp"
#include "insert.hpp"
#include "order.hpp"
#include "prepare.hpp"

namespace bitgrove::graph {
namespace {

// Codes for the rows before `until` that have none yet. Returns whether all lie within the range of
// codes.
bool encode(const Graph& graph, const Rows& rows, std::size_t until, std::size_t threads,
            Codes& codes) {
    const std::size_t from = codes.size();
    std::atomic<bool> inside{true};
    codes.resize(until);
    parallel_blocks(
        until - from, 1024, threads, "encode", nullptr,
        [&](std::size_t begin, std::size_t end, std::size_t) {
            for (std::size_t r = from + begin; r < from + end; ++r) {
                const float lift = graph.lift.empty() ? 0 : graph.lift[r];
                if (!codes.coder().encode(rows.format(), rows.row(r), lift, codes.code(r))) {
                    inside.store(false, std::memory_order_relaxed);
                }
            }
        });
    return inside;
}

// Whether the nearest rows by codes hold nearly all of the nearest rows, judged on a few. Not so
// where there are few elements, or many rows on a small range.
bool fit(const Rows& rows, const Codes& codes, std::size_t threads) {
    constexpr std::size_t kProbes = 32, kNear = 10, kTaken = 30, kBlock = 1024;
    const std::size_t step = (rows.size() >> 20) + 1, others = rows.size() / step;
    if (others < 8 * kTaken) return false;
    const Space space(rows.format());
    const Measure measure(rows, &codes, nullptr);
    std::vector<std::size_t> held(kProbes);
    parallel_blocks(
        kProbes, 1, threads, "encode", nullptr,
        [&](std::size_t begin, std::size_t end, std::size_t) {
            std::vector<Ranked> by_rows, by_codes;
            std::vector<Row> block;
            std::vector<Key> keys(kBlock);
            std::vector<std::uint8_t> point(codes.bytes());
            for (std::size_t p = begin; p < end; ++p) {
                const Row self = static_cast<Row>(p * rows.size() / kProbes);
                codes.coder().encode_query(rows.format(), rows.row(self), point.data());
                by_rows.clear();
                by_codes.clear();
                for (std::size_t first = 0; first < others; first += kBlock) {
                    block.clear();
                    for (std::size_t i = first; i < std::min(others, first + kBlock); ++i) {
                        if (const Row row = static_cast<Row>(i * step); row != self)
                            block.push_back(row);
                    }
                    measure.toward(point.data(), block.data(), block.size(), keys.data());
                    for (std::size_t i = 0; i < block.size(); ++i) {
                        by_codes.push_back(ranked(keys[i], block[i]));
                        by_rows.push_back(
                            ranked(space.toward(rows.row(self), rows.row(block[i])), block[i]));
                    }
                }
                std::partial_sort(by_rows.begin(), by_rows.begin() + kNear, by_rows.end());
                std::partial_sort(by_codes.begin(), by_codes.begin() + kTaken, by_codes.end());
                for (std::size_t i = 0; i < kNear; ++i) {
                    held[p] +=
                        std::any_of(by_codes.begin(), by_codes.begin() + kTaken,
                                    [&](Ranked r) { return row_of(r) == row_of(by_rows[i]); });
                }
            }
        });
    const auto total = std::accumulate(held.begin(), held.end(), std::size_t{0});
    return static_cast<double>(total) >= 0.97 * static_cast<double>(kProbes * kNear);
}

std::optional<Codes> codes_that_fit(const Graph& graph, const Rows& rows, std::size_t threads) {
    Codes codes(Coder::learn(rows, graph.squared_bound));
    // Codes much longer than the rows, or past the kernels' limit, are of no use.
    if (codes.bytes() > std::min(rows.format().row_bytes + 64, kMaxBytesDim)) return std::nullopt;
    encode(graph, rows, rows.size(), threads, codes);
    if (!codes.coder().exact && !fit(rows, codes, threads)) return std::nullopt;
    return codes;
}

// Whether walks can do without codes: distances of the rows are integers already.
bool integers(const Format& format) {
    return format.dtype == Dtype::bits ||
           (format.dtype == Dtype::u8 && format.metric == Metric::l2);
}

std::vector<Row> shuffled(std::vector<Row> vertices, std::uint64_t seed) {
    Random random(seed);
    for (std::size_t i = vertices.size(); i > 1; --i) {
        std::swap(vertices[i - 1], vertices[random.below(static_cast<std::uint32_t>(i))]);
    }
    return vertices;
}

}  // namespace

Graph build_graph(Rows& rows, std::uint32_t max_degree, const BuildOptions& options,
                  const Tick& tick) {
    Graph graph = prepare(rows, max_degree + max_degree / 2);
    if (rows.size() == 0) return Graph(max_degree);
    if (options.codes && !integers(rows.format())) {
        graph.codes = codes_that_fit(graph, rows, options.threads);
    }
    const std::vector<Row> vertices = vertices_of(graph);
    graph.start = central_vertex(graph, rows, vertices);
    std::vector<Row> order = shuffled(vertices, options.seed);
    order.erase(std::find(order.begin(), order.end(), graph.start));
    graph.linked = 1;
    const InsertOptions insert{options.threads, options.width, options.relax, max_degree};
    insert_vertices(graph, rows, order, insert, tick);
    trim(graph, rows, max_degree, options);
    rearrange(graph, rows, cache_order(graph), options.threads);
    repair_all(graph, rows, options.threads, tick);
    return graph;
}

void add_rows(Graph& graph, const Rows& rows, std::size_t threads, const Tick& tick,
              const Access& access) {
    constexpr std::size_t kAtOnce = 4096;  // some milliseconds without searches
    graph.edges.forget_arrivals();
    // What grows leaves its old memory, which may belong to Python: to be freed when no lock is
    // held.
    const Edges old_edges = graph.edges;
    const std::optional<Codes> old_codes = graph.codes;
    const std::size_t held = graph.twins.size();
    std::vector<Row> vertices;
    bool inside = true;
    for (std::size_t from = held; from < rows.size(); from += kAtOnce) {
        const std::size_t until = std::min(rows.size(), from + kAtOnce);
        const auto alone = access.alone();
        graph.edges.resize(until);
        for (std::size_t r = from; r < until; ++r) {
            append_lift(graph, rows);
            const Row row = static_cast<Row>(r);
            if (graph.twins.append(rows) == row) vertices.push_back(row);
        }
        if (graph.codes) inside = encode(graph, rows, until, threads, *graph.codes) && inside;
    }
    if (!inside) {  // rows outside the range widen it for all, or end the use of codes
        std::optional<Codes> codes = codes_that_fit(graph, rows, threads);
        const auto alone = access.alone();
        std::swap(graph.codes, codes);
    }
    insert_vertices(graph, rows, vertices,
                    {threads, kWidth, 1.1f, kept_degree(graph.edges.stride()), access, held}, tick);
    if (rows.size() - graph.checked > graph.checked / 10) {
        repair_all(graph, rows, threads, tick, access);
    } else {
        repair(graph, rows, vertices, Begin::entries, threads, tick, access);
        repair(graph, rows, vertices, Begin::start, threads, tick, access);
    }
}

}  // namespace bitgrove::graph
