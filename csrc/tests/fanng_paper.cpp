// The paper's algorithms against their definitions: plain loops over small sets of rows.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <queue>
#include <set>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "../graph/build/refine.hpp"
#include "../graph/build/traverse_add.hpp"
#include "../graph/random.hpp"
#include "../graph/store/pairs.hpp"
#include "check.hpp"

namespace {

using namespace bitgrove::graph;

// Bytes from a small set, so that lengths tie; the last `queries` rows are no vertices.
struct Scene {
    Scene(Metric metric, Dtype dtype, std::size_t dim, std::size_t count, std::size_t queries,
          std::uint64_t seed)
        : rows(Format::of(metric, dtype, dim)) {
        Random random(seed);
        std::set<std::vector<std::uint8_t>> distinct;
        std::vector<std::uint8_t> data;
        while (distinct.size() < count + queries) {
            std::vector<std::uint8_t> row(rows.format().row_bytes);
            for (std::uint8_t& x : row) {
                x = dtype == Dtype::bits ? std::uint8_t(random.next()) : 10 * random.below(6);
            }
            if (distinct.insert(row).second) data.insert(data.end(), row.begin(), row.end());
        }
        rows.append(data.data(), count + queries, nullptr);
        vertices.resize(count);
        std::iota(vertices.begin(), vertices.end(), 0);
    }
    Pairs key() const { return {rows, nullptr}; }

    Rows rows;
    std::vector<Row> vertices;
};

Edges ideal(const Scene& scene, double tau) {
    Edges edges(static_cast<std::uint32_t>(scene.vertices.size()));
    edges.resize(scene.rows.size());
    connect_ideally(edges, scene.vertices, scene.key(), scene.vertices.size(), tau);
    return edges;
}

Row nearest(const Scene& scene, Row query) {
    const Pairs key = scene.key();
    Ranked best = ~Ranked{0};
    for (const Row v : scene.vertices) best = std::min(best, ranked(key(v, query), v));
    return row_of(best);
}

std::vector<std::pair<Row, Row>> random_calls(std::size_t rows, std::size_t count, Random& random) {
    std::vector<std::pair<Row, Row>> calls;
    while (calls.size() < count) {
        const Row a = random.below(static_cast<std::uint32_t>(rows));
        const Row b = random.below(static_cast<std::uint32_t>(rows));
        if (a != b) calls.push_back({a, b});
    }
    return calls;
}

void downhill_on_the_ideal_graph_reaches_every_vertex() {
    for (const auto& [metric, dtype, dim] :
         {std::tuple(Metric::l2, Dtype::u8, 4u), std::tuple(Metric::hamming, Dtype::bits, 40u)}) {
        const Scene scene(metric, dtype, dim, 250, 0, 1);
        const Pairs key = scene.key();
        const Edges edges = ideal(scene, 0);
        std::size_t degrees = 0;
        for (const Row from : scene.vertices) {
            degrees += edges.of(from).size();
            for (const Row to : scene.vertices) CHECK(downhill(edges, from, to, key) == to);
        }
        CHECK(degrees < 60 * scene.vertices.size());  // most edges are occluded
    }
}

void an_ideal_edge_is_missing_only_where_a_shorter_one_occludes_it() {
    const Scene scene(Metric::l2, Dtype::u8, 3, 150, 0, 2);
    const Pairs key = scene.key();
    for (const double tau : {0.0, 4.0}) {
        const Edges edges = ideal(scene, tau);
        std::size_t kept = 0;
        for (const Row p : scene.vertices) {
            const auto list = edges.of(p);
            for (const Row r : scene.vertices) {
                if (r == p) continue;
                bool occluded = false;
                for (const Row q : list) {
                    const double pq = key(p, q), pr = key(p, r), qr = key(q, r);
                    if (std::pair(pq, q) >= std::pair(pr, r)) continue;
                    occluded |= tau > 0 ? qr < pr - 2 * tau * std::sqrt(pq)
                                        : std::pair(qr, q) < std::pair(pr, p);
                }
                const bool is_kept = std::find(list.begin(), list.end(), r) != list.end();
                CHECK(is_kept == !occluded);
                kept += is_kept;
            }
        }
        CHECK(kept > 3 * scene.vertices.size() && kept < 149 * scene.vertices.size() / 2);
    }
}

void tau_makes_downhill_find_what_is_nearer_than_tau() {
    const Scene scene(Metric::l2, Dtype::u8, 5, 300, 400, 3);
    const Pairs key = scene.key();
    const double tau = 21;
    const Edges plain = ideal(scene, 0), reaching = ideal(scene, tau);
    std::size_t near = 0, missed = 0;
    for (Row query = 300; query < 700; ++query) {
        const Row best = nearest(scene, query);
        if (key(best, query) >= tau * tau) continue;
        ++near;
        for (Row from = 0; from < 300; from += 23) {
            const Row found = downhill(reaching, from, query, key);
            CHECK(key(found, query) == key(best, query));
            missed += key(downhill(plain, from, query, key), query) != key(best, query);
        }
    }
    CHECK(near > 50 && near < 400 && missed > 20);
}

void many_walks_end_where_each_ends_alone() {
    const Scene scene(Metric::l2, Dtype::u8, 6, 300, 0, 4);
    const Pairs key = scene.key();
    GrowingEdges graph(300);
    TraverseAdd<Pairs> traverse_add(graph, key);
    Random random(5);
    for (const std::size_t count : {0, 1, 7, 200, 900}) {
        traverse_add(random_calls(300, count, random));
        auto walks = random_calls(300, count, random);
        if (count > 1) walks[1].second = walks[1].first;  // one that is there from the start
        std::vector<Row> ends(count, kNoRow);
        downhill_all(graph, walks, key, ends.data());
        std::size_t stuck = 0;
        for (std::size_t i = 0; i < count; ++i) {
            CHECK(ends[i] == downhill(graph, walks[i].first, walks[i].second, key));
            stuck += ends[i] != walks[i].second;
        }
        CHECK(count < 200 || (stuck > 0 && stuck < count));
    }
}

void traverse_add_counts_what_succeeds_and_threads_change_nothing() {
    const Scene scene(Metric::l2, Dtype::u8, 8, 500, 0, 6);
    const Pairs key = scene.key();
    std::vector<GrowingEdges> graphs;
    for (const std::size_t threads : {1, 2, 5}) {
        GrowingEdges& graph = graphs.emplace_back(500);
        TraverseAdd<Pairs> traverse_add(graph, key, 0, threads);
        Random random(7);
        std::size_t last = 0, mended = 0, failed = 0;
        for (std::size_t block = 0; block < 8; ++block) {
            const auto calls = random_calls(500, 2500, random);  // enough for threads
            std::vector<bool> before;
            for (const auto& [a, b] : calls) before.push_back(downhill(graph, a, b, key) == b);
            last = traverse_add(calls);
            CHECK(last == std::size_t(std::count(before.begin(), before.end(), true)));
            for (std::size_t i = 0; i < calls.size(); ++i) {
                if (before[i]) continue;
                ++failed;
                const auto [a, b] = calls[i];
                mended += downhill(graph, a, b, key) == b;
            }
        }
        CHECK(last > 2500 * 9 / 10 && failed > 2500);
        CHECK(mended > failed * 4 / 5);  // what a block adds later may undo a walk
    }
    for (std::size_t v = 0; v < 500; ++v) {
        const auto& list = graphs[0].lists[v];
        CHECK(list == graphs[1].lists[v] && list == graphs[2].lists[v]);
        CHECK(std::is_sorted(list.begin(), list.end()));
        for (std::size_t i = 0; i < list.size(); ++i) {
            for (std::size_t j = i + 1; j < list.size(); ++j) {
                CHECK(!occludes(Row(v), row_of(list[i]), list[j], key));
            }
        }
    }
}

void a_refinement_that_sees_everything_is_ideal() {
    const Scene scene(Metric::l2, Dtype::u8, 6, 400, 0, 8);
    const Pairs key = scene.key();
    GrowingEdges rough(400);
    TraverseAdd<Pairs> traverse_add(rough, key);
    Random random(9);
    traverse_add(random_calls(400, 12000, random));
    for (const double tau : {0.0, 5.0}) {
        const Edges expected = ideal(scene, tau);
        for (const std::size_t budget : {100, 400}) {
            Edges refined(400);
            refined.resize(400);
            refine(rough, refined, scene.vertices, key, {2, budget, 400, tau}, nullptr);
            std::size_t same = 0;
            for (const Row v : scene.vertices) {
                const auto a = refined.of(v), b = expected.of(v);
                same += std::equal(a.begin(), a.end(), b.begin(), b.end());
            }
            CHECK(budget == 400 ? same == 400 : same < 400);
        }
    }
}

// Algorithm 3 as printed, but for the ties: a queue of (distance, vertex, edge), one edge at a
// time.
std::vector<Row> as_printed(const Edges& edges, Row start, std::size_t budget, std::size_t degree,
                            const Pairs& key, Row query) {
    using Entry = std::pair<Ranked, std::size_t>;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
    std::set<Row> visited{start};
    std::vector<Row> order{start};
    queue.push({ranked(key(start, query), start), 0});
    while (order.size() < budget && !queue.empty()) {
        const auto [vertex, edge] = queue.top();
        queue.pop();
        const auto list = edges.of(row_of(vertex));
        if (edge >= std::min(degree, list.size())) continue;
        const Row end = list[edge];
        if (visited.insert(end).second) {
            order.push_back(end);
            queue.push({ranked(key(end, query), end), 0});
        }
        queue.push({vertex, edge + 1});
    }
    return order;
}

void backtracking_visits_in_the_order_printed() {
    const Scene scene(Metric::l2, Dtype::u8, 6, 400, 30, 10);
    const Pairs key = scene.key();
    const Edges edges = ideal(scene, 0);
    Walk walk;
    for (Row query = 400; query < 430; ++query) {
        for (const std::size_t budget : {1, 2, 30, 250, 1000}) {
            for (const std::size_t degree : {1, 3, 400}) {
                const Row start = query - 400;
                std::vector<Row> order;
                const auto visit = [&order](Row row, Key) {
                    order.push_back(row);
                    return false;
                };
                const std::size_t computed = backtrack(
                    Truncated<Edges>{edges, degree}, 400, start, budget, walk,
                    [&](Row row) { return key(row, query); }, visit);
                CHECK(order == as_printed(edges, start, budget, degree, key, query));
                CHECK(computed == order.size() && computed <= budget);
                CHECK(degree < 400 || computed == std::min<std::size_t>(budget, 400));
            }
        }
    }
}

constexpr Test kTests[] = {
    {"paper: downhill on the ideal graph reaches every vertex",
     downhill_on_the_ideal_graph_reaches_every_vertex},
    {"paper: an ideal edge is missing only where a shorter one occludes it",
     an_ideal_edge_is_missing_only_where_a_shorter_one_occludes_it},
    {"paper: tau makes downhill find what is nearer than tau",
     tau_makes_downhill_find_what_is_nearer_than_tau},
    {"paper: many walks end where each ends alone", many_walks_end_where_each_ends_alone},
    {"paper: traverse-add counts what succeeds, and threads change nothing",
     traverse_add_counts_what_succeeds_and_threads_change_nothing},
    {"paper: a refinement that sees everything is ideal",
     a_refinement_that_sees_everything_is_ideal},
    {"paper: backtracking visits in the order printed", backtracking_visits_in_the_order_printed},
};

}  // namespace

std::span<const Test> fanng_paper_tests() {
    return kTests;
}
