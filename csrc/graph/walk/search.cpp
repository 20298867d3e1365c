#include "search.hpp"

#include <algorithm>
#include <span>

#include "entries.hpp"

namespace bitgrove::graph {
namespace {

// Candidates whose exact distances decide, where the walk measured codes.
std::size_t reranked(const Graph& graph, std::size_t k) {
    const Coder& coder = graph.codes->coder();
    return coder.exact && coder.lift_places == 0 ? k : 2 * k + 16;
}

// Whether it costs less to compare all rows allowed than to walk with a pool of `width`: a walk
// expands that many vertices with some 16 new distances each, and one of these costs about 2.5
// times one of a scan.
bool scan_is_cheaper(std::size_t width, std::size_t allowed) {
    return allowed < 40 * width;
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

void scan_allowed(const Rows& rows, const Space& space, const std::uint8_t* query,
                  const Allowed& allowed, TopK& best) {
    if (!allowed.list.empty()) {
        constexpr std::size_t kAhead = 8;
        for (std::size_t i = 0; i < allowed.list.size(); ++i) {
            if (i + kAhead < allowed.list.size()) {
                const std::uint8_t* line = rows.row(allowed.list[i + kAhead]);
                for (std::size_t b = 0; b < rows.format().row_bytes && b < 1024; b += 64) {
                    __builtin_prefetch(line + b);
                }
            }
            const Row row = allowed.list[i];
            best.offer(space.toward(query, rows.row(row)), rows.id(row));
        }
        return;
    }
    for (std::size_t r = 0; r < allowed.limit; ++r) {
        if (!allowed(static_cast<Row>(r))) continue;
        best.offer(space.toward(query, rows.row(r)), rows.id(r));
    }
}

void write_result(TopK& best, const Space& space, const Queries& queries, std::size_t q) {
    const auto& items = best.sorted();
    float* distances = queries.distances + q * queries.k;
    std::int64_t* ids = queries.ids + q * queries.k;
    for (std::size_t i = 0; i < queries.k; ++i) {
        distances[i] = i < items.size() ? space.reported(items[i].key) : space.nowhere();
        ids[i] = i < items.size() ? items[i].id : -1;
    }
}

// A query outside the range of the codes is compared with the rows themselves.
bool Search::encode(const Graph& graph, const Rows& rows, const std::uint8_t* query) {
    if (!graph.codes) return false;
    code_.resize(graph.codes->bytes());
    return graph.codes->coder().encode_query(rows.format(), query, code_.data());
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

std::array<Row, 2> Search::begin(const Graph& graph, const Measure& measure,
                                 const std::uint8_t* point, std::span<const Row> entries,
                                 std::size_t& distances) {
    if (entries.size() <= 1 || distances / 8 < entries.size()) return {graph.start, graph.start};
    distances -= entries.size();
    return begin_near(entries, keys_, [&](const Row* rows, std::size_t count, Key* keys) {
        measure.toward(point, rows, count, keys);
    });
}

std::size_t Search::nearest(const Graph& graph, const Rows& rows, const Queries& queries,
                            std::size_t q, const SearchOptions& options) {
    const Space space(rows.format());
    const std::uint8_t* query = queries.rows + q * rows.format().row_bytes;
    const Allowed& allowed = options.allowed;
    const bool all = allowed.count == rows.size(), hard = options.budget || options.time;
    const auto scan = [&] {
        best_.reset(queries.k);
        scan_allowed(rows, space, query, allowed, best_);
        write_result(best_, space, queries, q);
        return allowed.count;
    };
    Limit limit;
    if (options.budget) limit.distances = options.budget;
    if (options.time) limit.deadline = Limit::Clock::now() + *options.time;
    const std::size_t pool = std::max(options.width, queries.k);
    std::size_t width = std::min(pool, rows.size());
    if (!all) {  // so many that about `pool` of them are allowed
        const double share = static_cast<double>(rows.size()) / (1.0 + allowed.count);
        const double wanted = static_cast<double>(pool) * share + 1;
        width = pool >= allowed.count || wanted >= static_cast<double>(rows.size())
                    ? rows.size()
                    : static_cast<std::size_t>(wanted);
        if (!hard && scan_is_cheaper(width, allowed.count)) return scan();
    }
    // With half of those expected, the nearest are among them. Fewer are found where the rows that
    // are allowed keep away from the query.
    const std::size_t needed = all ? 0 : std::min(allowed.count, std::max(queries.k, pool / 2));
    const bool coded = encode(graph, rows, query);
    const Measure measure(rows, coded ? &*graph.codes : nullptr, graph.lifts());
    const std::uint8_t* const point = coded ? code_.data() : query;
    const std::size_t before = limit.distances;
    const std::array<Row, 2> starts =
        options.starts ? std::array{options.starts[q], options.starts[q]}
                       : begin(graph, measure, point, options.entries, limit.distances);
    std::size_t computed = before - limit.distances;
    for (;;) {
        walk(graph, measure, point, starts, width, limit);
        computed += walk_.computed;
        if (all || hard || width == rows.size()) break;
        std::size_t found = 0;
        for (const std::uint64_t entry : walk_.pool.entries()) {
            found += any_allowed(graph, Pool::row(entry), allowed);
        }
        if (found >= needed) break;
        width = std::min(4 * width, rows.size());
        if (scan_is_cheaper(width, allowed.count)) return computed + scan();
    }
    // All of the pool are offered where its keys are exact, else as many as may be needed.
    best_.reset(queries.k);
    const bool exact = !coded;
    const std::size_t most =
        exact || width == rows.size() ? width : std::min(width, reranked(graph, queries.k));
    near_.clear();
    for (const std::uint64_t entry : walk_.pool.entries()) {
        if (near_.size() == most || (exact && best_.closed_to(Pool::key(entry)))) break;
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
    if (best_.size() < std::min(queries.k, allowed.count) && !hard) return computed + scan();
    write_result(best_, space, queries, q);
    return computed;
}

}  // namespace bitgrove::graph
