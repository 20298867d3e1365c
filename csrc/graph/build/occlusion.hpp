// FANNG's occlusion rules, eq. 1 and eq. 3, with ties resolved.
//
// Eq. 1: the edge (p, q) occludes the longer edge (p, r) if q is closer to r than p is. Distances
// are compared together with row numbers, so that no two are equal: with integer distances a strict
// rule keeps every tied edge. A row is closest to itself, so that its duplicate never stands in for
// it. The downhill walk uses the same order; on a graph of all edges that no other occludes it
// reaches every row from every other.
//
// Eq. 3, for tau > 0: the edge is occluded only if all points closer to r than tau are closer to q
// than to p: d(q, r)^2 + 2 tau d(p, q) < d(p, r)^2. Then the downhill walk finds the nearest row of
// every query that is closer to it than tau. This needs the Euclidean distance itself, so the
// metric must be l2.
#pragma once
#include <cmath>
#include <cstddef>
#include <vector>

#include "../key.hpp"

namespace bitgrove::graph {

// Whether the edge (p, q) occludes a longer edge (p, r), given by `to_r` = (its length, r): eq. 1.
template <typename Pair>
bool occludes(Row p, Row q, Ranked to_r, const Pair& key) {
    const Row r = row_of(to_r);
    return ranked(key(q, r), q) < ranked(key_of(to_r), p);
}

// Both rules: `occluded(p, to_q, to_r)` with edges given by (their length, their end).
template <typename Pair>
class Occlusion {
  public:
    // `tau` >= 0 is a Euclidean distance; above 0 it needs squared l2 distances without a lift.
    explicit Occlusion(const Pair& key, double tau = 0) : key_(key), twice_tau_(2 * tau) {}

    bool operator()(Row p, Ranked to_q, Ranked to_r) const {
        if (twice_tau_ == 0) return occludes(p, row_of(to_q), to_r, key_);
        const double across = key_.squared(key_(row_of(to_q), row_of(to_r)));
        const double first = key_.squared(key_of(to_q)), whole = key_.squared(key_of(to_r));
        return across + twice_tau_ * std::sqrt(first) < whole;
    }

  private:
    const Pair& key_;
    double twice_tau_;
};

// Algorithm 2: from candidates sorted by distance to p, keeps those whose edge no shorter kept edge
// occludes, until `limit` are kept.
template <typename Rule>
void prune(Row p, const std::vector<Ranked>& candidates, std::size_t limit, const Rule& occluded,
           std::vector<Ranked>& kept) {
    kept.clear();
    for (const Ranked candidate : candidates) {
        if (kept.size() == limit) break;
        if (row_of(candidate) == p) continue;
        bool keep = true;
        for (std::size_t i = 0; keep && i < kept.size(); ++i) {
            keep = !occluded(p, kept[i], candidate);
        }
        if (keep) kept.push_back(candidate);
    }
}

}  // namespace bitgrove::graph
