#include <algorithm>
#include <limits>

#include "search.hpp"

namespace bitgrove::graph {

// A walk finds the nearest. Where the radius holds more than that, it grows from them through the
// vertices within the radius, by exact distances; then through the nearest beyond it, until some
// in a row lead to nothing new within.
std::size_t Search::within(const Graph& graph, const Rows& rows, const std::uint8_t* query,
                           float radius, const SearchOptions& options,
                           std::vector<TopK::Item>& found) {
    const Space space(rows.format());
    const std::size_t width = std::min(options.width, rows.size());
    const std::size_t patience = std::max<std::size_t>(8, width / 4);
    const bool coded = encode(graph, rows, query);
    const Measure measure(rows, coded ? &*graph.codes : nullptr, graph.lifts());
    const std::uint8_t* const point = coded ? code_.data() : query;
    std::size_t distances = std::numeric_limits<std::size_t>::max();
    const std::array<Row, 2> starts =
        starts_near(graph, measure, point, options.entries, distances);
    walk_(
        graph.edges, starts, width, {},
        [&](const Row* ends, std::size_t count, Key* keys) {
            measure.toward(point, ends, count, keys);
        },
        [&](Row row) { measure.prefetch(row); });
    std::size_t computed = std::numeric_limits<std::size_t>::max() - distances + walk_.computed;
    found.clear();
    near_.clear();  // vertices within, in the order in which they were found
    beyond_.clear();
    seen_.reset(graph.edges.rows());
    const auto reach = [&](Row vertex) {
        const Key key = space.toward(query, rows.row(vertex));
        ++computed;
        if (!space.within(key, radius)) return ranked(key, vertex);
        near_.push_back(vertex);
        const auto equal = graph.twins.of(vertex);
        if (equal.empty() && options.allowed(vertex)) found.push_back({key, rows.id(vertex)});
        for (const Row row : equal) {
            if (options.allowed(row)) found.push_back({key, rows.id(row)});
        }
        return Ranked{0};
    };
    for (const std::uint64_t entry : walk_.pool.entries()) {
        const Row vertex = Pool::row(entry);
        seen_.insert({&vertex, 1}, graph.edges.rows());
        reach(vertex);
    }
    const bool whole = walk_.pool.size() < width || near_.size() <= width / 2;
    const auto farther = [](Ranked a, Ranked b) { return a > b; };
    const auto expand = [&](Row vertex) {
        const std::span<const Row> ends(graph.edges.list(vertex), graph.edges.stride());
        for (const Row end : seen_.insert(ends, graph.edges.rows())) {
            const std::size_t before = near_.size();
            const Ranked outside = reach(end);
            if (near_.size() > before) continue;
            beyond_.push_back(outside);
            std::push_heap(beyond_.begin(), beyond_.end(), farther);
        }
    };
    std::size_t next = 0, vain = 0;
    while (!whole) {
        if (next < near_.size()) {
            expand(near_[next++]);
            continue;
        }
        if (beyond_.empty() || vain++ == patience) break;
        std::pop_heap(beyond_.begin(), beyond_.end(), farther);
        const Row vertex = row_of(beyond_.back());
        beyond_.pop_back();
        expand(vertex);
        if (next < near_.size()) vain = 0;
    }
    std::sort(found.begin(), found.end());
    return computed;
}

}  // namespace bitgrove::graph
