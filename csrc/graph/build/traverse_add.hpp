// FANNG's construction by random walks, algorithm 4.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "../store/edges.hpp"
#include "../walk/walk.hpp"
#include "occlusion.hpp"

namespace bitgrove::graph {

// Adds edges until the walk from one row to another succeeds, both ways.
//
// Ends: every edge added is unoccluded and removes only longer ones, so the list of lengths of its
// row falls in lexicographic order, and there are finitely many lists.
//
// Difference from the paper: an edge occludes at once all that it occludes; then the ends removed
// are checked one by one, depth first, as there. The recursion is a stack of our own.
template <typename Pair>
class TraverseAdd {
  public:
    TraverseAdd(GrowingEdges& graph, const Pair& key) : graph_(graph), key_(key) {}

    // Returns whether the first walk succeeded before anything was added.
    bool operator()(Row from, Row to) {
        bool first = true, succeeded = false;
        todo_.assign(1, {from, to});
        while (!todo_.empty()) {
            const auto [a, b] = todo_.back();
            todo_.pop_back();
            const Row stuck = downhill(graph_, a, b, key_);
            if (first) succeeded = stuck == b;
            first = false;
            if (stuck != b) connect(stuck, b);
        }
        return succeeded;
    }

  private:
    void connect(Row u, Row v) {
        auto& list = graph_.lists[u];
        const Ranked edge = ranked(key_(u, v), v);
        const auto place = std::upper_bound(list.begin(), list.end(), edge) - list.begin();
        todo_.push_back({v, u});
        auto kept = list.begin() + place;
        for (auto longer = kept; longer != list.end(); ++longer) {
            if (occludes(u, v, *longer, key_)) {
                todo_.push_back({u, row_of(*longer)});
            } else {
                *kept++ = *longer;
            }
        }
        list.erase(kept, list.end());
        list.insert(list.begin() + place, edge);
    }

    GrowingEdges& graph_;
    const Pair& key_;
    std::vector<std::pair<Row, Row>> todo_;
};

}  // namespace bitgrove::graph
