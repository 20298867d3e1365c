// FANNG's occlusion rule, eq. 1 with ties resolved.
//
// The edge (p, q) occludes the longer edge (p, r) if q is closer to r than p is. Distances are
// compared together with row numbers, so that no two are equal: with integer distances a strict
// rule keeps every tied edge. A row is closest to itself, so that its duplicate never stands in for
// it. The downhill walk uses the same order; on a graph of all edges that no other occludes it
// reaches every row from every other.
#pragma once
#include <cstddef>
#include <vector>

#include "../key.hpp"

namespace bitgrove::graph {

// Whether the edge (p, q) occludes a longer edge (p, r), given by `to_r` = (its length, r).
template <typename Pair>
bool occludes(Row p, Row q, Ranked to_r, const Pair& key) {
    const Row r = row_of(to_r);
    return ranked(key(q, r), q) < ranked(key_of(to_r), p);
}

// Algorithm 2: from candidates sorted by distance to p, keeps those whose edge no shorter kept edge
// occludes, until `limit` are kept.
template <typename Pair>
void prune(Row p, const std::vector<Ranked>& candidates, std::size_t limit, const Pair& key,
           std::vector<Ranked>& kept) {
    kept.clear();
    for (const Ranked candidate : candidates) {
        if (kept.size() == limit) break;
        if (row_of(candidate) == p) continue;
        bool occluded = false;
        for (const Ranked shorter : kept) {
            if (occludes(p, row_of(shorter), candidate, key)) {
                occluded = true;
                break;
            }
        }
        if (!occluded) kept.push_back(candidate);
    }
}

}  // namespace bitgrove::graph
