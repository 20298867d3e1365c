// FANNG's refinement of a rough graph (sec. 3.6), and its ideal construction (algorithm 2).
#pragma once
#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "../parallel.hpp"
#include "../store/edges.hpp"
#include "../walk/walk.hpp"
#include "occlusion.hpp"

namespace bitgrove::graph {

struct Refinement {
    std::size_t threads = 1;
    std::size_t budget = 1000;  // distances of the walk from each vertex
    std::size_t limit = 28;     // edges that a vertex keeps
    double tau = 0;             // of the occlusion rule
};

// Algorithm 3 from every vertex for itself, then algorithm 2 on what it saw. Reads one graph and
// writes another, so that the order in which threads come does not matter.
template <typename Rough, typename Pair>
void refine(const Rough& rough, Edges& edges, std::span<const Row> vertices, const Pair& key,
            const Refinement& how, const Tick& tick) {
    const Occlusion<Pair> occluded(key, how.tau);
    struct Scratch {
        Walk walk;
        std::vector<Ranked> seen, kept;
    };
    std::vector<Scratch> scratch(std::max<std::size_t>(1, how.threads));
    const auto work = [&](std::size_t begin, std::size_t end, std::size_t worker) {
        auto& [walk, seen, kept] = scratch[worker];
        for (std::size_t i = begin; i < end; ++i) {
            const Row v = vertices[i];
            seen.clear();
            const auto visit = [&seen](Row row, Key k) {
                seen.push_back(ranked(k, row));
                return false;
            };
            backtrack(
                rough, vertices.size(), v, how.budget, walk, [&](Row row) { return key(row, v); },
                visit, [&](Row row) { key.prefetch(row); });
            std::sort(seen.begin(), seen.end());
            prune(v, seen, how.limit, occluded, kept);
            edges.assign(v, kept);
        }
    };
    parallel_blocks(vertices.size(), 64, how.threads, "refine", tick, work);
}

// Algorithm 2 on all other vertices: for n vertices n^2 distances and more. From any start the
// downhill walk reaches every vertex, and with tau the nearest one of every query closer to it than
// tau, unless the limit truncates a list.
template <typename Pair>
void connect_ideally(Edges& edges, std::span<const Row> vertices, const Pair& key,
                     std::size_t limit, double tau) {
    const Occlusion<Pair> occluded(key, tau);
    std::vector<Ranked> others, kept;
    for (const Row v : vertices) {
        others.clear();
        for (const Row other : vertices) others.push_back(ranked(key(other, v), other));
        std::sort(others.begin(), others.end());
        prune(v, others, limit, occluded, kept);
        edges.assign(v, kept);
    }
}

}  // namespace bitgrove::graph
