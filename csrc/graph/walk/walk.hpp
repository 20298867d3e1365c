// FANNG's backtracking search (Harwood and Drummond, CVPR 2016, algorithm 3).
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../key.hpp"

namespace bitgrove::graph {

// The rows that a walk has seen: an open-addressing table, so that its cost depends on the budget
// of the walk and not on the size of the graph.
class Visited {
  public:
    // Forgets everything; then at most `most` rows may be inserted.
    void reset(std::size_t most) {
        slots_.assign(std::bit_ceil(2 * most + 2), kNoRow);
        shift_ = std::countl_zero(slots_.size() - 1);
    }

    // Whether the row was new.
    bool insert(Row row) {
        const std::size_t mask = slots_.size() - 1;
        std::size_t i = row * std::uint64_t{0x9e3779b97f4a7c15} >> shift_;
        for (; slots_[i] != kNoRow; i = (i + 1) & mask) {
            if (slots_[i] == row) return false;
        }
        slots_[i] = row;
        return true;
    }

  private:
    std::vector<Row> slots_;
    int shift_ = 0;
};

struct Walk {
    struct Entry {
        Ranked vertex;       // with its distance to the query
        std::uint32_t edge;  // the next one to try
    };
    std::vector<Entry> queue;  // a heap, the nearest at the front
    Visited visited;
};

// The first `degree` edges of every list, for a search: the paper's truncation at query time.
template <typename Graph>
struct Truncated {
    auto of(Row v) const {
        const auto edges = graph.of(v);
        return edges.first(std::min(degree, edges.size()));
    }
    void prefetch(Row v) const { graph.prefetch(v); }

    const Graph& graph;
    std::size_t degree;
};

struct PrefetchNothing {
    void operator()(Row) const {}
};

// Algorithm 3: backtracking search. Each row reached is visited once, by visit(row, key), which
// returns whether to stop. `toward(row)` is called at most `budget` times (at least once) and no
// more often than there are `rows`; `prefetch(row)` may be called before. Returns how many
// distances were computed.
template <typename Graph, typename Toward, typename Visit, typename Prefetch = PrefetchNothing>
std::size_t backtrack(const Graph& graph, std::size_t rows, Row start, std::size_t budget,
                      Walk& walk, const Toward& toward, Visit visit, Prefetch prefetch = {}) {
    constexpr std::size_t kAhead = 4;  // edges of the front whose ends are asked for
    budget = std::max<std::size_t>(1, std::min(budget, rows));
    walk.visited.reset(budget);
    walk.queue.clear();
    const auto farther = [](const Walk::Entry& a, const Walk::Entry& b) {
        return a.vertex > b.vertex;
    };
    std::size_t computed = 0;
    const auto reach = [&](Row row) {
        const Key key = toward(row);
        ++computed;
        walk.queue.push_back({ranked(key, row), 0});
        std::push_heap(walk.queue.begin(), walk.queue.end(), farther);
        if (row_of(walk.queue.front().vertex) == row) graph.prefetch(row);
        return visit(row, key);
    };
    walk.visited.insert(start);
    bool stop = reach(start);
    while (!stop && computed < budget && !walk.queue.empty()) {
        // The front keeps its place while its edges are tried one by one: its key does not change.
        Walk::Entry& front = walk.queue.front();
        const auto edges = graph.of(row_of(front.vertex));
        const auto ask = [&](std::size_t i) {
            if (i < edges.size()) prefetch(static_cast<Row>(edges[i]));
        };
        if (front.edge == 0) {
            for (std::size_t i = 0; i < kAhead; ++i) ask(i);
        }
        Row end = kNoRow;
        while (front.edge < edges.size()) {
            ask(front.edge + kAhead);
            const Row next = static_cast<Row>(edges[front.edge++]);
            if (walk.visited.insert(next)) {
                end = next;
                break;
            }
        }
        if (end != kNoRow) {
            stop = reach(end);
        } else {
            std::pop_heap(walk.queue.begin(), walk.queue.end(), farther);
            walk.queue.pop_back();
        }
    }
    return computed;
}

}  // namespace bitgrove::graph
