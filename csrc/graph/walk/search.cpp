#include "search.hpp"

#include <algorithm>
#include <span>

namespace bitgrove::graph {
namespace {

// Candidates whose exact distances decide, where the walk measured codes.
std::size_t reranked(const Graph& graph, std::size_t k) {
    return graph.codes->coder().exact ? k : 2 * k + 16;
}

// Whether it costs less to compare all rows allowed than to walk among others: a walk for `width`
// of them expands width * rows / allowed vertices with some 16 distances each, and one of these
// costs about 2.5 times one of a scan.
bool scan_is_cheaper(std::size_t width, std::size_t rows, std::size_t allowed) {
    return static_cast<double>(allowed) * static_cast<double>(allowed) <
           40.0 * static_cast<double>(width) * static_cast<double>(rows);
}

void scan_allowed(const Rows& rows, const Space& space, const std::uint8_t* query,
                  const Allowed& allowed, TopK& best) {
    for (std::size_t r = 0; r < rows.size(); ++r) {
        if (!allowed(static_cast<Row>(r))) continue;
        best.offer(space.toward(query, rows.row(r)), rows.id(r));
    }
}

bool any_allowed(const Graph& graph, Row vertex, const Allowed& allowed) {
    const auto equal = graph.twins.of(vertex);
    return equal.empty() ? allowed(vertex) : std::any_of(equal.begin(), equal.end(), allowed);
}

// The vertex and its twins.
void offer_equal(const Graph& graph, const Rows& rows, Row vertex, Key key, const Allowed& allowed,
                 TopK& best) {
    const auto equal = graph.twins.of(vertex);
    if (equal.empty()) best.offer(key, rows.id(vertex));
    for (const Row row : equal) {
        if (allowed(row)) best.offer(key, rows.id(row));
    }
}

}  // namespace

void write_result(TopK& best, const Space& space, const Queries& queries, std::size_t q) {
    const auto& items = best.sorted();
    float* distances = queries.distances + q * queries.k;
    std::int64_t* ids = queries.ids + q * queries.k;
    for (std::size_t i = 0; i < queries.k; ++i) {
        distances[i] = i < items.size() ? space.reported(items[i].key) : space.nowhere();
        ids[i] = i < items.size() ? items[i].id : -1;
    }
}

void Search::walk(const Graph& graph, const Measure& measure, const std::uint8_t* point,
                  std::span<const Row> starts, std::size_t width, const Limit& limit) {
    walk_(
        graph.edges, starts, width, limit,
        [&](const Row* rows, std::size_t count, Key* keys) {
            measure.toward(point, rows, count, keys);
        },
        [&](Row row) { measure.prefetch(row); });
}

std::size_t Search::nearest(const Graph& graph, const Rows& rows, const Queries& queries,
                            std::size_t q, const SearchOptions& options) {
    const Space space(rows.format());
    const std::uint8_t* query = queries.rows + q * rows.format().row_bytes;
    const Allowed& allowed = options.allowed;
    const std::size_t most = allowed.flags ? allowed.count : rows.size();
    std::size_t width = std::max(options.width, queries.k);
    best_.reset(queries.k);
    if (allowed.flags) {
        if (scan_is_cheaper(width, rows.size(), allowed.count) && !options.budget &&
            !options.time) {
            scan_allowed(rows, space, query, allowed, best_);
            write_result(best_, space, queries, q);
            return allowed.count;
        }
        const double share = static_cast<double>(rows.size()) / static_cast<double>(most + 1);
        width = static_cast<std::size_t>(static_cast<double>(width) * share) + 1;
    }
    width = std::min(width, rows.size());
    Limit limit;
    if (options.budget) limit.distances = options.budget;
    if (options.time) limit.deadline = Limit::Clock::now() + *options.time;
    // A query outside the range of the codes is compared with the rows themselves.
    bool coded = false;
    if (graph.codes) {
        code_.resize(graph.codes->bytes());
        coded = graph.codes->coder().encode_query(rows.format(), query, code_.data());
    }
    const Measure measure(rows, coded ? &*graph.codes : nullptr, graph.lifts());
    const Row start = options.starts ? options.starts[q] : graph.start;
    walk(graph, measure, coded ? code_.data() : query, {&start, 1}, width, limit);
    // All of the pool are offered where its keys are exact, else as many as may be needed.
    const bool exact = !coded;
    const std::size_t wanted =
        exact || width == rows.size() ? width : std::min(width, reranked(graph, queries.k));
    near_.clear();
    for (const std::uint64_t entry : walk_.pool.entries()) {
        if (near_.size() == wanted || (exact && best_.closed_to(Pool::key(entry)))) break;
        const Row vertex = Pool::row(entry);
        if (!any_allowed(graph, vertex, allowed)) continue;
        if (exact) {
            offer_equal(graph, rows, vertex, Pool::key(entry), allowed, best_);
        } else {
            near_.push_back(vertex);
            const std::uint8_t* line = rows.row(vertex);
            for (std::size_t i = 0; i < rows.format().row_bytes; i += 64) {
                __builtin_prefetch(line + i);
            }
        }
    }
    for (const Row vertex : near_) {
        const Key key = space.toward(query, rows.row(vertex));
        offer_equal(graph, rows, vertex, key, allowed, best_);
    }
    if (best_.size() < std::min(queries.k, most) && !options.budget && !options.time) {
        best_.reset(queries.k);
        scan_allowed(rows, space, query, allowed, best_);
    }
    write_result(best_, space, queries, q);
    return walk_.computed;
}

}  // namespace bitgrove::graph
