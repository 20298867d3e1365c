// FANNG's construction by random walks, algorithm 4, many pairs at a time.
#pragma once
#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "../parallel.hpp"
#include "../store/edges.hpp"
#include "../walk/downhill.hpp"
#include "occlusion.hpp"

namespace bitgrove::graph {

// Adds edges until the walk from one row to another succeeds, both ways.
//
// Ends: every edge added is unoccluded and removes only longer ones, so the list of lengths of its
// row falls in lexicographic order, and there are finitely many lists.
//
// Differences from the paper, which follows one pair at a time, depth first: an edge occludes at
// once all that it occludes, and pairs are followed in generations. All walks of a generation see
// the graph as it was before; then each row takes, in order, the edges that walks found missing
// there; the pairs that must be tried next (the way back, the ends of edges removed, and walks
// that an edge just added leads on) are the next generation. So nothing depends on the threads.
template <typename Pair>
class TraverseAdd {
  public:
    using Call = std::pair<Row, Row>;  // from, to

    TraverseAdd(GrowingEdges& graph, const Pair& key, double tau = 0, std::size_t threads = 1)
        : graph_(graph), key_(key), occluded_(key, tau), threads_(threads) {}

    // Returns how many walks succeed before anything is added.
    std::size_t operator()(std::span<const Call> calls) {
        todo_.assign(calls.begin(), calls.end());
        walk();
        const std::size_t succeeded = todo_.size() - failed_.size();
        while (!failed_.empty()) {
            connect_all();
            walk();
        }
        return succeeded;
    }
    bool operator()(Row from, Row to) {
        const Call call{from, to};
        return (*this)({&call, 1}) == 1;
    }

  private:
    // Finds where each walk of this generation gets stuck.
    void walk() {
        ends_.resize(todo_.size());
        const auto work = [&](std::size_t begin, std::size_t end, std::size_t) {
            const std::span<const Call> walks(todo_);
            downhill_all(graph_, walks.subspan(begin, end - begin), key_, ends_.data() + begin);
        };
        parallel_blocks(todo_.size(), kWalks, threads_for(todo_.size()), "", nullptr, work);
        failed_.clear();
        for (std::size_t i = 0; i < todo_.size(); ++i) {
            if (ends_[i] != todo_[i].second) failed_.push_back(ranked(ends_[i], Row(i)));
        }
        std::sort(failed_.begin(), failed_.end());
    }

    // Adds the missing edges, row by row, and makes the next generation.
    void connect_all() {
        const std::size_t blocks = (failed_.size() + kEdges - 1) / kEdges;
        if (next_.size() < blocks) next_.resize(blocks);
        const auto stuck = [&](std::size_t i) { return key_of(failed_[i]); };
        const auto work = [&](std::size_t begin, std::size_t end, std::size_t) {
            std::vector<Call>& next = next_[begin / kEdges];
            next.clear();
            // A row belongs to the block in which its first edge is.
            while (begin < end && begin > 0 && stuck(begin) == stuck(begin - 1)) ++begin;
            while (begin < end) {
                const Row u = stuck(begin);
                std::vector<Row> added;
                for (; begin < failed_.size() && stuck(begin) == u; ++begin) {
                    connect(u, todo_[row_of(failed_[begin])].second, added, next);
                }
            }
        };
        parallel_blocks(failed_.size(), kEdges, threads_for(failed_.size()), "", nullptr, work);
        todo_.clear();
        for (std::size_t b = 0; b < blocks; ++b) {
            todo_.insert(todo_.end(), next_[b].begin(), next_[b].end());
        }
    }

    // Adds the edge (u, v), unless one just added here leads a walk on.
    void connect(Row u, Row v, std::vector<Row>& added, std::vector<Call>& next) {
        const Ranked edge = ranked(key_(u, v), v), here = ranked(key_of(edge), u);
        for (const Row w : added) {
            if (w == v) return;
            if (ranked(key_(w, v), w) < here) return next.push_back({u, v});
        }
        added.push_back(v);
        next.push_back({v, u});
        auto& list = graph_.lists[u];
        const auto place = std::upper_bound(list.begin(), list.end(), edge) - list.begin();
        for (auto longer = list.begin() + place; longer != list.end(); ++longer) {
            key_.prefetch(row_of(*longer));
        }
        auto kept = list.begin() + place;
        for (auto longer = kept; longer != list.end(); ++longer) {
            if (occluded_(u, edge, *longer)) {
                next.push_back({u, row_of(*longer)});
            } else {
                *kept++ = *longer;
            }
        }
        list.erase(kept, list.end());
        list.insert(list.begin() + place, edge);
    }

    static constexpr std::size_t kWalks = 256, kEdges = 256;  // that a thread takes at a time
    static constexpr std::size_t kAlone = 2048;  // fewer of them are not worth starting threads
    std::size_t threads_for(std::size_t count) const { return count < kAlone ? 1 : threads_; }

    GrowingEdges& graph_;
    const Pair& key_;
    const Occlusion<Pair> occluded_;
    const std::size_t threads_;
    std::vector<Call> todo_;      // the walks of this generation ...
    std::vector<Row> ends_;       // ... where they end ...
    std::vector<Ranked> failed_;  // ... and (that row, number of the walk) where it is not reached
    std::vector<std::vector<Call>> next_;
};

}  // namespace bitgrove::graph
