#include <algorithm>
#include <limits>
#include <utility>

#include "../graph.hpp"
#include "occlusion.hpp"

namespace bitgrove::graph {
namespace {

constexpr std::size_t kPasses = 16;  // over all rows, until each is found with the links of all
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
void connect_all(Graph& graph, const Rows& rows) {
    if (graph.start == kNoRow) return;
    const Pairs key = graph.pairs(rows);
    std::vector<Row> parents(graph.twins.size(), kNoRow);
    reach_from(graph, graph.start, graph.start, parents);
    for (std::size_t r = 0; r < parents.size(); ++r) {
        const Row v = static_cast<Row>(r);
        if (parents[v] != kNoRow || !graph.twins.is_vertex(v)) continue;
        std::vector<Ranked> reached;
        for (std::size_t u = 0; u < parents.size(); ++u) {
            if (parents[u] != kNoRow)
                reached.push_back(ranked(key(static_cast<Row>(u), v), static_cast<Row>(u)));
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
            std::vector<Row> dropped;  // stays empty: there is room
            link(graph, key, u, v, true, dropped);
            reach_from(graph, v, u, parents);
            break;
        }
    }
}

}  // namespace

void link(Graph& graph, const Pairs& key, Row u, Row v, bool forced, std::vector<Row>& dropped) {
    std::vector<Ranked> list;
    for (const Row end : graph.edges.of(u)) list.push_back(ranked(key(u, end), end));
    const Ranked edge = ranked(key(u, v), v);
    const auto place = std::upper_bound(list.begin(), list.end(), edge);
    if (!forced) {
        for (auto shorter = list.begin(); shorter != place; ++shorter) {
            if (occludes(u, row_of(*shorter), edge, key)) return;
        }
        if (graph.edges.full(u) && place == list.end()) return;
    }
    if (graph.edges.full(u) && forced) {
        const auto easier = [&](Ranked a, Ranked b) {
            return graph.edges.arrivals(row_of(a)) < graph.edges.arrivals(row_of(b));
        };
        const auto spare = std::max_element(list.begin(), list.end(), easier);
        dropped.push_back(row_of(*spare));
        list.erase(spare);
    } else if (graph.edges.full(u)) {
        auto kept = std::stable_partition(
            place, list.end(), [&](Ranked longer) { return !occludes(u, v, longer, key); });
        if (kept == list.end()) --kept;
        for (auto it = kept; it != list.end(); ++it) dropped.push_back(row_of(*it));
        list.erase(kept, list.end());
    }
    list.insert(std::upper_bound(list.begin(), list.end(), edge), edge);
    graph.edges.assign(u, list);
}

void insert_row(Graph& graph, const Rows& rows, Walk& walk, std::vector<Row>& suspects) {
    const Row x = static_cast<Row>(graph.twins.size());
    graph.edges.resize(x + std::size_t{1});
    append_lift(graph, rows);
    if (graph.twins.append(rows) != x) return;
    if (graph.start == kNoRow) {
        graph.start = x;
        return;
    }
    const Pairs key = graph.pairs(rows);
    std::vector<Ranked> seen, kept;
    const auto visit = [&seen](Row row, Key k) {
        seen.push_back(ranked(k, row));
        return false;
    };
    backtrack(
        graph.edges, x, graph.start, kBudget, walk, [&](Row row) { return key(row, x); }, visit);
    std::sort(seen.begin(), seen.end());
    prune(x, seen, kept_degree(graph.edges.stride()), key, kept);
    graph.edges.assign(x, kept);
    for (const Ranked neighbour : kept) link(graph, key, row_of(neighbour), x, false, suspects);
    const Row stuck = downhill(graph.edges, graph.start, x, key);
    if (stuck != x) link(graph, key, stuck, x, true, suspects);
    suspects.push_back(x);
}

bool repair(Graph& graph, const Rows& rows, std::vector<Row> suspects, std::size_t threads,
            const Tick& tick) {
    if (graph.start == kNoRow) return true;
    bool all_were_found = true;
    const Pairs key = graph.pairs(rows);
    struct Scratch {
        Walk walk;
        std::vector<Ranked> seen;
    };
    std::vector<Scratch> scratch(std::max<std::size_t>(1, threads));
    for (std::size_t round = 0; round < kRounds && !suspects.empty(); ++round) {
        std::sort(suspects.begin(), suspects.end());
        suspects.erase(std::unique(suspects.begin(), suspects.end()), suspects.end());
        std::vector<std::vector<Ranked>> near(suspects.size());  // of those not found
        const auto work = [&](std::size_t begin, std::size_t end, std::size_t worker) {
            auto& [walk, seen] = scratch[worker];
            for (std::size_t i = begin; i < end; ++i) {
                const Row v = suspects[i];
                bool found = false;
                seen.clear();
                const auto visit = [&](Row row, Key k) {
                    seen.push_back(ranked(k, row));
                    return found = row == v;
                };
                backtrack(
                    graph.edges, rows.size(), graph.start, kBudget, walk,
                    [&](Row row) { return key(row, v); }, visit);
                if (found) continue;
                const auto end_near =
                    seen.begin() + static_cast<std::ptrdiff_t>(std::min(kNear, seen.size()));
                std::partial_sort(seen.begin(), end_near, seen.end());
                near[i].assign(seen.begin(), end_near);
            }
        };
        parallel_blocks(suspects.size(), 64, threads, "check", tick, work);
        std::vector<Row> again;
        for (std::size_t i = 0; i < suspects.size(); ++i) {
            if (near[i].empty()) continue;
            const auto has_room = [&](Ranked r) { return !graph.edges.full(row_of(r)); };
            const auto best = std::find_if(near[i].begin(), near[i].end(), has_room);
            const Row u = row_of(best == near[i].end() ? near[i].front() : *best);
            link(graph, key, u, suspects[i], true, again);
            again.push_back(suspects[i]);
            all_were_found = false;
        }
        suspects = std::move(again);
    }
    if (!suspects.empty()) connect_all(graph, rows);
    return all_were_found;
}

void repair_all(Graph& graph, const Rows& rows, std::size_t threads, const Tick& tick) {
    std::vector<Row> all;
    for (std::size_t row = 0; row < graph.twins.size(); ++row) {
        if (graph.twins.is_vertex(static_cast<Row>(row))) all.push_back(static_cast<Row>(row));
    }
    // A link that leads to one row may lead the walk to another astray.
    for (std::size_t pass = 0; pass < kPasses; ++pass) {
        if (repair(graph, rows, all, threads, tick)) break;
    }
    graph.checked = graph.twins.size();
}

std::vector<bool> reachable(const Graph& graph) {
    std::vector<Row> parents(graph.twins.size(), kNoRow);
    if (graph.start != kNoRow) reach_from(graph, graph.start, graph.start, parents);
    std::vector<bool> flags(parents.size());
    for (std::size_t row = 0; row < flags.size(); ++row) flags[row] = parents[row] != kNoRow;
    return flags;
}

}  // namespace bitgrove::graph
