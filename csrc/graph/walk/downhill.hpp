// FANNG's naive walk (Harwood and Drummond, CVPR 2016, algorithm 1), alone and many at a time.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>

#include "../key.hpp"

namespace bitgrove::graph {

// Algorithm 1 toward a row of the graph: take the first edge that gets closer, where ties go to the
// lower row and the target is closest to itself. Returns the target, or the local minimum.
template <typename Graph, typename Pair>
Row downhill(const Graph& graph, Row from, Row target, const Pair& key) {
    if (from == target) return target;
    Ranked here = ranked(key(from, target), from);
    for (;;) {
        bool moved = false;
        for (const auto edge : graph.of(row_of(here))) {
            const Row end = static_cast<Row>(edge);
            if (end == target) return target;
            const Ranked there = ranked(key(end, target), end);
            if (there < here) {
                here = there;
                moved = true;
                break;
            }
        }
        if (!moved) return row_of(here);
    }
}

// What `downhill` returns for each (from, target), at ends[i]. A walk waits for memory at every
// edge, so several are under way and each asks for what it reads next, then lets the others go on.
// Needs graph.prefetch(row), for the place where the list is found, and key.prefetch(row).
template <typename Graph, typename Pair>
void downhill_all(const Graph& graph, std::span<const std::pair<Row, Row>> walks, const Pair& key,
                  Row* ends) {
    constexpr std::size_t kLanes = 16;  // walks under way
    constexpr std::size_t kAhead = 4;   // rows asked for at a time
    enum class Next { begin, find_list, read_list, try_edges };
    using Edge = std::remove_cvref_t<decltype(*graph.of(0).data())>;
    struct Lane {
        Next next;
        std::size_t walk;
        Row target;
        Ranked here;
        const Edge *edge, *last;
    };
    std::array<Lane, kLanes> lanes;
    std::size_t started = 0, under_way = 0;
    const auto begin = [&](Lane& lane) {  // false: there is no walk left
        if (started == walks.size()) return false;
        const auto [from, target] = walks[started];
        lane = {Next::begin, started++, target, from, nullptr, nullptr};
        key.prefetch(from);
        key.prefetch(target);
        return true;
    };
    const auto ask_for_rows = [&](const Lane& lane) {
        const std::size_t left = static_cast<std::size_t>(lane.last - lane.edge);
        for (std::size_t i = 0; i < std::min(kAhead, left); ++i) {
            key.prefetch(static_cast<Row>(lane.edge[i]));
        }
    };
    // One step of a walk; returns whether it goes on.
    const auto step = [&](Lane& lane) {
        switch (lane.next) {
            case Next::begin: {
                const Row from = static_cast<Row>(lane.here);
                if (from == lane.target) {
                    ends[lane.walk] = from;
                    return false;
                }
                lane.here = ranked(key(from, lane.target), from);
                graph.prefetch(from);
                lane.next = Next::find_list;
                return true;
            }
            case Next::find_list: {
                const auto list = graph.of(row_of(lane.here));
                lane.edge = list.data();
                lane.last = lane.edge + list.size();
                __builtin_prefetch(lane.edge);
                lane.next = Next::read_list;
                return true;
            }
            case Next::read_list:
                ask_for_rows(lane);
                lane.next = Next::try_edges;
                return true;
            case Next::try_edges:
                break;
        }
        for (std::size_t i = 0; i < kAhead && lane.edge != lane.last; ++i) {
            const Row end = static_cast<Row>(*lane.edge++);
            if (end == lane.target) {
                ends[lane.walk] = end;
                return false;
            }
            const Ranked there = ranked(key(end, lane.target), end);
            if (there < lane.here) {
                lane.here = there;
                graph.prefetch(end);
                lane.next = Next::find_list;
                return true;
            }
        }
        if (lane.edge == lane.last) {
            ends[lane.walk] = row_of(lane.here);
            return false;
        }
        ask_for_rows(lane);
        return true;
    };
    while (under_way < kLanes && begin(lanes[under_way])) ++under_way;
    while (under_way > 0) {
        for (std::size_t i = 0; i < under_way;) {
            if (step(lanes[i]) || begin(lanes[i])) {
                ++i;
            } else {
                lanes[i] = lanes[--under_way];
            }
        }
    }
}

}  // namespace bitgrove::graph
