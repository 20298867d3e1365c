#include <algorithm>
#include <limits>
#include <utility>

#include "../graph.hpp"
#include "../walk/entries.hpp"
#include "occlusion.hpp"

namespace bitgrove::graph {
namespace {

constexpr std::size_t kPasses = 16;  // over all rows, until no link costs another row an edge
constexpr std::size_t kRounds = 16;  // of linking; far more than has been seen to be needed
constexpr std::size_t kNear = 64;    // rows that may take the link to one that was not found

// Breadth first, remembering for each vertex the row it was reached from (the start: itself).
void reach_from(const Graph& graph, Row from, Row parent, std::vector<Row>& parents) {
    parents[from] = parent;
    std::vector<Row> queue{from};
    for (std::size_t i = 0; i < queue.size(); ++i) {
        for (const Row end : graph.edges.of(queue[i])) {
            if (parents[end] != kNoRow) continue;
            parents[end] = queue[i];
            queue.push_back(end);
        }
    }
}

// The last resort, a guarantee: links what no walk can reach, without cutting anything off.
void connect_all(Graph& graph, const Measure& measure) {
    if (graph.start == kNoRow) return;
    std::vector<Row> parents(graph.twins.size(), kNoRow);
    reach_from(graph, graph.start, graph.start, parents);
    for (std::size_t r = 0; r < parents.size(); ++r) {
        const Row v = static_cast<Row>(r);
        if (parents[v] != kNoRow || !graph.twins.is_vertex(v)) continue;
        std::vector<Ranked> reached;
        for (std::size_t u = 0; u < parents.size(); ++u) {
            if (parents[u] == kNoRow) continue;
            reached.push_back(ranked(measure(static_cast<Row>(u), v), static_cast<Row>(u)));
        }
        std::sort(reached.begin(), reached.end());
        for (const Ranked candidate : reached) {
            const Row u = row_of(candidate);
            if (graph.edges.full(u)) {
                // Drop the longest edge by which its end was not reached. Some list has one: there
                // are more edges in full lists than vertices.
                const auto ends = graph.edges.of(u);
                std::vector<Row> kept(ends.begin(), ends.end());
                const auto spare = std::find_if(kept.rbegin(), kept.rend(),
                                                [&](Row end) { return parents[end] != u; });
                if (spare == kept.rend()) continue;
                kept.erase(std::next(spare).base());
                graph.edges.assign(u, kept);
            }
            link(graph, measure, u, v);
            reach_from(graph, v, u, parents);
            break;
        }
    }
}

struct Scratch {
    PoolWalk walk;
    std::vector<Key> keys;
};

// The nearest rows that a search for `v` finds, or nothing if it finds `v`.
std::vector<Row> nearest_unless_found(const Graph& graph, const Measure& measure,
                                      std::span<const Row> entries, Row v, Scratch& scratch) {
    auto& [walk, keys] = scratch;
    const auto from = [&](const Row* rows, std::size_t count, Key* keys) {
        measure.from(v, rows, count, keys);
    };
    walk(graph.edges, begin_near(entries, keys, from), kWidth, {.deadline = {}, .sought = v}, from,
         [&](Row row) { measure.prefetch(row); });
    std::vector<Row> near;
    if (walk.seen.contains(v)) return near;
    for (const std::uint64_t entry : walk.pool.entries()) near.push_back(Pool::row(entry));
    return near;
}

}  // namespace

Row link(Graph& graph, const Measure& measure, Row u, Row v) {
    std::vector<Ranked> list;
    for (const Row end : graph.edges.of(u)) list.push_back(ranked(measure(u, end), end));
    Row dropped = kNoRow;
    if (graph.edges.full(u)) {
        const auto easier = [&](Ranked a, Ranked b) {
            return graph.edges.arrivals(row_of(a)) < graph.edges.arrivals(row_of(b));
        };
        const auto spare = std::max_element(list.begin(), list.end(), easier);
        dropped = row_of(*spare);
        list.erase(spare);
    }
    const Ranked edge = ranked(measure(u, v), v);
    list.insert(std::upper_bound(list.begin(), list.end(), edge), edge);
    graph.edges.assign(u, list);
    return dropped;
}

bool repair(Graph& graph, const Rows& rows, std::vector<Row> suspects, Begin begin,
            std::size_t threads, const Tick& tick, const Access& access) {
    if (graph.start == kNoRow) return true;
    bool all_were_found = true, nothing_dropped = true;
    const Measure measure = graph.measure(rows);
    const std::vector<Row> entries = begin == Begin::start ? std::vector<Row>{graph.start}
                                                           : entries_of(graph, graph.twins.size());
    std::vector<Scratch> scratch(std::clamp<std::size_t>(threads, 1, suspects.size() / 64 + 1));
    for (std::size_t round = 0; round < kRounds && !suspects.empty(); ++round) {
        std::sort(suspects.begin(), suspects.end());
        suspects.erase(std::unique(suspects.begin(), suspects.end()), suspects.end());
        std::vector<std::vector<Row>> near(suspects.size());  // of those not found
        const auto work = [&](std::size_t begin, std::size_t end, std::size_t worker) {
            for (std::size_t i = begin; i < end; ++i) {
                near[i] =
                    nearest_unless_found(graph, measure, entries, suspects[i], scratch[worker]);
            }
        };
        parallel_blocks(suspects.size(), 64, threads, "check", tick, work);
        std::vector<Row> again;
        if (all_were_found &&
            std::any_of(near.begin(), near.end(), [](const auto& rows) { return !rows.empty(); })) {
            graph.edges.count_arrivals();
            all_were_found = false;
        }
        const auto alone = access.alone();
        for (std::size_t i = 0; i < suspects.size(); ++i) {
            if (near[i].empty()) continue;
            const auto room = std::find_if(near[i].begin(), near[i].end(),
                                           [&](Row u) { return !graph.edges.full(u); });
            const Row u = room == near[i].end() ? near[i].front() : *room;
            const Row dropped = link(graph, measure, u, suspects[i]);
            if (dropped != kNoRow) again.push_back(dropped), nothing_dropped = false;
            again.push_back(suspects[i]);
        }
        suspects = std::move(again);
    }
    if (!suspects.empty()) {
        const auto alone = access.alone();
        connect_all(graph, measure);
    }
    if (!all_were_found) graph.edges.forget_arrivals();
    return nothing_dropped && suspects.empty();
}

void repair_all(Graph& graph, const Rows& rows, std::size_t threads, const Tick& tick,
                const Access& access) {
    std::vector<Row> all;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        if (graph.twins.is_vertex(static_cast<Row>(r))) all.push_back(static_cast<Row>(r));
    }
    for (std::size_t pass = 0; pass < kPasses; ++pass) {
        const bool kept = repair(graph, rows, all, Begin::entries, threads, tick, access);
        if (!reach_all(graph, rows, threads, access) && kept) break;
    }
    graph.checked = graph.twins.size();
}

std::vector<Row> unreachable(const Graph& graph) {
    const std::vector<bool> reached = reachable(graph);
    std::vector<Row> others;
    for (std::size_t r = 0; r < reached.size(); ++r) {
        const Row row = static_cast<Row>(r);
        if (!reached[r] && graph.twins.is_vertex(row)) others.push_back(row);
    }
    return others;
}

bool reach_all(Graph& graph, const Rows& rows, std::size_t threads, const Access& access) {
    bool all = true;
    for (auto others = unreachable(graph); !others.empty(); others = unreachable(graph)) {
        repair(graph, rows, std::move(others), Begin::start, threads, nullptr, access);
        all = false;
    }
    return !all;
}

std::vector<bool> reachable(const Graph& graph) {
    std::vector<Row> parents(graph.twins.size(), kNoRow);
    if (graph.start != kNoRow) reach_from(graph, graph.start, graph.start, parents);
    std::vector<bool> flags(parents.size());
    for (std::size_t row = 0; row < flags.size(); ++row) flags[row] = parents[row] != kNoRow;
    return flags;
}

}  // namespace bitgrove::graph
