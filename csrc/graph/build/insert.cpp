#include "insert.hpp"

#include <algorithm>
#include <utility>

#include "../walk/entries.hpp"

namespace bitgrove::graph {
namespace {

constexpr std::size_t kMostInBatch = 16384;
constexpr std::size_t kAtOnce = 32;   // rows that a thread takes
constexpr std::size_t kBuckets = 64;  // of rows, whose lists one thread at a time extends

struct Scratch {
    PoolWalk walk;
    std::vector<Row> ends;
    std::vector<Key> keys;
    std::vector<Ranked> candidates, kept;
    std::vector<std::uint64_t> links[kBuckets];  // (end, start) of edges to be turned round
    std::vector<std::pair<Row, std::vector<Row>>> changed;  // lists that searches may be reading
};

class Inserter {
  public:
    Inserter(Graph& graph, const Rows& rows, std::vector<Row> entries, const InsertOptions& options)
        : graph_(graph),
          measure_(graph.measure(rows)),
          options_(options),
          width_(std::min(options.width, graph.edges.rows())),
          scratch_(std::clamp<std::size_t>(options.threads, 1, kMostInBatch / kAtOnce)),
          bucket_rows_(graph.edges.rows() / kBuckets + 1),
          entries_(std::move(entries)) {}

    // Walks begin at the nearest of some of the vertices that are linked.
    void operator()(std::span<const Row> batch) {
        parallel_blocks(batch.size(), kAtOnce, options_.threads, "", nullptr,
                        [&](std::size_t begin, std::size_t end, std::size_t worker) {
                            for (std::size_t i = begin; i < end; ++i) {
                                seek(batch[i], scratch_[worker]);
                            }
                        });
        parallel_blocks(kBuckets, 1, options_.threads, "", nullptr,
                        [&](std::size_t begin, std::size_t end, std::size_t worker) {
                            for (std::size_t b = begin; b < end; ++b) turn(b, scratch_[worker]);
                        });
        const std::size_t wanted = graph_.linked / entry_stride(graph_.linked);
        for (std::size_t i = 0; i < batch.size() && entries_.size() < wanted; ++i) {
            entries_.push_back(batch[i]);
        }
        if (!options_.access.shared()) return;
        const auto alone = options_.access.alone();
        for (Scratch& scratch : scratch_) {
            for (const auto& [vertex, ends] : scratch.changed) graph_.edges.assign(vertex, ends);
            scratch.changed.clear();
        }
    }

  private:
    // The neighbours of a new vertex. Only its own list is written, which no walk reads: no edge
    // leads to it yet.
    void seek(Row vertex, Scratch& s) {
        const auto from = [&](const Row* rows, std::size_t count, Key* keys) {
            measure_.from(vertex, rows, count, keys);
        };
        s.walk(graph_.edges, begin_near(entries_, s.keys, from), width_, {}, from,
               [&](Row row) { measure_.prefetch(row); });
        s.candidates.clear();
        for (const std::uint64_t entry : s.walk.pool.entries()) {
            s.candidates.push_back(ranked(Pool::key(entry), Pool::row(entry)));
        }
        prune_relaxed(s.candidates, options_.degree, options_.relax, measure_, s.kept);
        graph_.edges.assign(vertex, s.kept);
        for (const Ranked end : s.kept) {
            s.links[row_of(end) / bucket_rows_].push_back(ranked(row_of(end), vertex));
        }
    }

    // Adds the edges back from the rows of a bucket.
    void turn(std::size_t bucket, Scratch& s) {
        std::vector<std::uint64_t> links;
        for (Scratch& other : scratch_) {
            links.insert(links.end(), other.links[bucket].begin(), other.links[bucket].end());
            other.links[bucket].clear();
        }
        std::sort(links.begin(), links.end());
        for (std::size_t i = 0; i < links.size();) {
            const Row vertex = key_of(links[i]);
            const auto held = graph_.edges.of(vertex);
            s.ends.assign(held.begin(), held.end());
            for (; i < links.size() && key_of(links[i]) == vertex; ++i) {
                s.ends.push_back(row_of(links[i]));
            }
            s.keys.resize(s.ends.size());
            measure_.from(vertex, s.ends.data(), s.ends.size(), s.keys.data());
            s.candidates.clear();
            for (std::size_t e = 0; e < s.ends.size(); ++e) {
                s.candidates.push_back(ranked(s.keys[e], s.ends[e]));
            }
            std::sort(s.candidates.begin(), s.candidates.end());
            const bool fit = s.candidates.size() <= graph_.edges.stride();
            if (!fit) {
                prune_relaxed(s.candidates, options_.degree, options_.relax, measure_, s.kept);
            }
            const std::vector<Ranked>& list = fit ? s.candidates : s.kept;
            if (options_.access.shared()) {
                s.changed.emplace_back(vertex, std::vector<Row>(list.begin(), list.end()));
            } else {
                graph_.edges.assign(vertex, list);
            }
        }
    }

    Graph& graph_;
    const Measure measure_;
    const InsertOptions& options_;
    std::size_t width_;  // no more than there are rows
    std::vector<Scratch> scratch_;
    std::size_t bucket_rows_;
    std::vector<Row> entries_;
};

}  // namespace

void prune_relaxed(const std::vector<Ranked>& candidates, std::size_t limit, float relax,
                   const Measure& measure, std::vector<Ranked>& kept) {
    kept.clear();
    const float factor = relax * relax;
    for (const Ranked candidate : candidates) {
        if (kept.size() == limit) break;
        const float length = measure.squared(key_of(candidate));
        bool occluded = false;
        for (const Ranked shorter : kept) {
            const Key between = measure(row_of(shorter), row_of(candidate));
            if (factor * measure.squared(between) < length) {
                occluded = true;
                break;
            }
        }
        if (!occluded) kept.push_back(candidate);
    }
}

void insert_vertices(Graph& graph, const Rows& rows, std::span<const Row> vertices,
                     const InsertOptions& options, const Tick& tick) {
    if (graph.start == kNoRow && !vertices.empty()) {
        {
            const auto alone = options.access.alone();
            graph.start = vertices.front();
        }
        vertices = vertices.subspan(1);
        ++graph.linked;
    }
    Inserter inserter(graph, rows, entries_of(graph, options.held), options);
    for (std::size_t done = 0; done < vertices.size();) {
        const std::size_t batch = std::clamp<std::size_t>(graph.linked / 16, 1, kMostInBatch);
        const std::size_t count = std::min(batch, vertices.size() - done);
        inserter(vertices.subspan(done, count));
        graph.linked += count;
        done += count;
        if (tick) tick(done, vertices.size(), "insert");
    }
}

}  // namespace bitgrove::graph
