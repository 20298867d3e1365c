#include "remove.hpp"

#include <algorithm>
#include <utility>

#include "insert.hpp"

namespace bitgrove::graph {
namespace {

constexpr float kRelax = 1.1f;
constexpr std::size_t kFew = 8;  // a row with no more edges to it may have become hard to find

// For vertices of the old graph; kNoRow for those that go.
std::vector<Row> new_numbers(const Graph& graph, const std::vector<Row>& kept) {
    std::vector<Row> moved(graph.twins.size(), kNoRow);
    for (std::size_t i = 0; i < kept.size(); ++i) {
        Row& vertex = moved[graph.twins.vertex_of(kept[i])];
        if (vertex == kNoRow) vertex = static_cast<Row>(i);
    }
    return moved;
}

class Mender {
  public:
    Mender(const Graph& graph, const Rows& rows, const std::vector<Row>& moved)
        : graph_(graph), measure_(graph.measure(rows)), moved_(moved) {}

    struct Scratch {
        Seen seen;
        std::vector<Row> ends, gone;
        std::vector<Key> keys;
        std::vector<Ranked> candidates, kept;
    };

    // The new list of a vertex that stays, in old numbers; empty where no end goes.
    std::vector<Row> operator()(Row vertex, Scratch& s) const {
        const auto held = graph_.edges.of(vertex);
        if (std::none_of(held.begin(), held.end(), [&](Row end) { return goes(end); })) return {};
        s.seen.reset(graph_.edges.rows());
        s.seen.insert({&vertex, 1}, graph_.edges.rows());
        s.ends.clear();
        s.gone.clear();
        look_along(held, s);
        // All that go next to the vertex; farther ones only while there are few candidates.
        const std::size_t next_to_it = s.gone.size(), enough = graph_.edges.stride();
        for (std::size_t i = 0; i < s.gone.size(); ++i) {
            if (i >= next_to_it && s.ends.size() >= enough) break;
            look_along(graph_.edges.of(s.gone[i]), s);
        }
        s.keys.resize(s.ends.size());
        measure_.from(vertex, s.ends.data(), s.ends.size(), s.keys.data());
        s.candidates.clear();
        for (std::size_t i = 0; i < s.ends.size(); ++i) {
            s.candidates.push_back(ranked(s.keys[i], s.ends[i]));
        }
        std::sort(s.candidates.begin(), s.candidates.end());
        prune_relaxed(s.candidates, kept_degree(graph_.edges.stride()), kRelax, measure_, s.kept);
        return {s.kept.begin(), s.kept.end()};
    }

  private:
    bool goes(Row vertex) const { return moved_[vertex] == kNoRow; }

    void look_along(std::span<const Row> ends, Scratch& s) const {
        for (const Row end : s.seen.insert(ends, graph_.edges.rows())) {
            (goes(end) ? s.gone : s.ends).push_back(end);
        }
    }

    const Graph& graph_;
    const Measure measure_;
    const std::vector<Row>& moved_;
};

}  // namespace

Graph without_removed(const Graph& graph, Rows& rows, const std::vector<std::uint8_t>& alive,
                      std::size_t threads) {
    std::vector<Row> kept;
    for (std::size_t r = 0; r < graph.twins.size(); ++r) {
        if (alive[r]) kept.push_back(static_cast<Row>(r));
    }
    const std::vector<Row> moved = new_numbers(graph, kept);
    const Mender mend(graph, rows, moved);
    std::vector<Mender::Scratch> scratch(std::max<std::size_t>(1, threads));
    std::vector<std::vector<Row>> lists(moved.size());
    parallel_blocks(moved.size(), 256, threads, "", nullptr,
                    [&](std::size_t begin, std::size_t end, std::size_t worker) {
                        for (std::size_t v = begin; v < end; ++v) {
                            if (moved[v] == kNoRow) continue;
                            lists[v] = mend(static_cast<Row>(v), scratch[worker]);
                        }
                    });
    Graph left = graph;  // shares the big arrays, which `rearrange` replaces
    rearrange(left, rows, kept, threads);
    for (std::size_t v = 0; v < moved.size(); ++v) {
        if (lists[v].empty()) continue;
        for (Row& end : lists[v]) end = moved[end];
        left.edges.assign(moved[v], lists[v]);
    }
    // Rows to which edges led from where something changed.
    std::vector<bool> lost(kept.size());
    for (std::size_t v = 0; v < moved.size(); ++v) {
        if (moved[v] != kNoRow && lists[v].empty()) continue;
        for (const Row end : graph.edges.of(static_cast<Row>(v))) {
            if (moved[end] != kNoRow) lost[moved[end]] = true;
        }
    }
    left.edges.count_arrivals();
    std::vector<Row> suspects;
    for (std::size_t r = 0; r < kept.size(); ++r) {
        if (lost[r] && left.edges.arrivals(static_cast<Row>(r)) <= kFew) {
            suspects.push_back(static_cast<Row>(r));
        }
    }
    left.edges.forget_arrivals();
    const std::size_t removed = graph.twins.size() - kept.size();
    left.checked -= std::min(left.checked, 2 * removed);
    if (kept.size() - left.checked > left.checked / 10) {
        repair_all(left, rows, threads, nullptr);
    } else {
        repair(left, rows, std::move(suspects), Begin::entries, threads, nullptr);
    }
    reach_all(left, rows, threads);
    return left;
}

}  // namespace bitgrove::graph
