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

std::array<Row, 2> Search::starts_near(const Graph& graph, const Measure& measure,
                                       const std::uint8_t* point, std::span<const Row> entries,
                                       std::size_t& distances) {
    if (entries.size() <= 1 || distances / 8 < entries.size()) return {graph.start, graph.start};
    distances -= entries.size();
    return begin_near(entries, keys_, [&](const Row* rows, std::size_t count, Key* keys) {
        measure.toward(point, rows, count, keys);
    });
}

void Search::begin(const Graph& graph, const Rows& rows, const Queries& queries, std::size_t q,
                   const SearchOptions& options) {
    graph_ = &graph, rows_ = &rows, queries_ = &queries, options_ = &options, q_ = q;
    query_ = queries.rows + q * rows.format().row_bytes;
    const Allowed& allowed = options.allowed;
    const std::size_t pool = std::max(options.width, queries.k);
    width_ = std::min(pool, rows.size()), needed_ = 0, computed_ = 0, over_ = false;
    if (allowed.count < rows.size()) {  // so many that about `pool` of them are allowed
        const double share = static_cast<double>(rows.size()) / (1.0 + allowed.count);
        const double wanted = static_cast<double>(pool) * share + 1;
        width_ = pool >= allowed.count || wanted >= static_cast<double>(rows.size())
                     ? rows.size()
                     : static_cast<std::size_t>(wanted);
        if (!options.hard() && scan_is_cheaper(width_, allowed.count)) return scan();
        // With half of those expected, the nearest are among them. Fewer are found where the rows
        // that are allowed keep away from the query.
        needed_ = std::min(allowed.count, std::max(queries.k, pool / 2));
    }
    limit_ = {};
    if (options.budget) limit_.distances = options.budget;
    if (options.time) limit_.deadline = Limit::Clock::now() + *options.time;
    coded_ = encode(graph, rows, query_);
    measure_.emplace(rows, coded_ ? &*graph.codes : nullptr, graph.lifts());
    point_ = coded_ ? code_.data() : query_;
    const std::size_t before = limit_.distances;
    starts_ = options.starts
                  ? std::array{options.starts[q], options.starts[q]}
                  : starts_near(graph, *measure_, point_, options.entries, limit_.distances);
    computed_ = before - limit_.distances;
    walk_.begin(graph.edges, starts_, width_, limit_);
}

bool Search::advance() {
    if (over_) return false;
    const Measure& measure = *measure_;
    const bool more = walk_.step(
        graph_->edges,
        [&](const Row* rows, std::size_t count, Key* keys) {
            measure.toward(point_, rows, count, keys);
        },
        [&](Row row) { measure.prefetch(row); });
    if (more) return true;
    computed_ += walk_.computed;
    if (needed_ > 0 && !options_->hard() && width_ < rows_->size() && found() < needed_) {
        width_ = std::min(4 * width_, rows_->size());
        if (scan_is_cheaper(width_, options_->allowed.count)) {
            scan();
            return false;
        }
        walk_.begin(graph_->edges, starts_, width_, limit_);
        return true;
    }
    finish();
    return false;
}

std::size_t Search::found() const {
    std::size_t found = 0;
    for (const std::uint64_t entry : walk_.pool.entries()) {
        found += any_allowed(*graph_, Pool::row(entry), options_->allowed);
    }
    return found;
}

void Search::scan() {
    const Space space(rows_->format());
    best_.reset(queries_->k);
    scan_allowed(*rows_, space, query_, options_->allowed, best_);
    write_result(best_, space, *queries_, q_);
    computed_ += options_->allowed.count;
    over_ = true;
}

// All of the pool are offered where its keys are exact, else as many as may be needed.
void Search::finish() {
    over_ = true;
    const Graph& graph = *graph_;
    const Rows& rows = *rows_;
    const Allowed& allowed = options_->allowed;
    const std::size_t k = queries_->k;
    const Space space(rows.format());
    best_.reset(k);
    const bool exact = !coded_;
    const std::size_t most =
        exact || width_ == rows.size() ? width_ : std::min(width_, reranked(graph, k));
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
        const Key key = space.toward(query_, rows.row(vertex));
        offer_equal(graph, rows, vertex, key, allowed, best_);
    }
    if (best_.size() < std::min(k, allowed.count) && !options_->hard()) return scan();
    write_result(best_, space, *queries_, q_);
}

}  // namespace bitgrove::graph
