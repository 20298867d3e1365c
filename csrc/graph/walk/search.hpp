// What a user asks for: the k nearest rows of a query, by a fast walk and exact distances at the
// end; or within a radius.
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "../graph.hpp"
#include "topk.hpp"

namespace bitgrove::graph {

struct Queries {
    const std::uint8_t* rows;
    std::size_t count;
    std::size_t k;
    std::size_t threads;
    float* distances;   // count * k
    std::int64_t* ids;  // count * k
};

// Rows that may be results: those of a filter, less those removed and those not linked yet.
struct Allowed {
    const std::uint8_t* flags = nullptr;  // one for each row before the limit; null: all may
    std::size_t limit = kMaxRows;         // rows from here on may not
    std::size_t count = 0;                // how many may
    std::span<const Row> list{};          // these, or nothing: a help where they are few

    bool operator()(Row row) const { return row < limit && (!flags || flags[row]); }
};

struct SearchOptions {
    std::size_t width = kWidth;  // of the pool; k where that is more
    std::size_t budget = 0;      // most distances computed for one query; 0: no limit
    std::optional<std::chrono::nanoseconds> time;  // most time for one query
    const Row* starts = nullptr;                   // for each query where its walk begins; null:
    std::span<const Row> entries{};                // ... at the nearest of these
    Allowed allowed;
};

// One thread's search, with the memory that it uses again and again.
class Search {
  public:
    // Writes the nearest rows of query q; returns how many distances the walk computed.
    std::size_t nearest(const Graph& graph, const Rows& rows, const Queries& queries, std::size_t q,
                        const SearchOptions& options);

    // Finds all rows within the radius, by (distance, id); returns how many distances it computed.
    std::size_t within(const Graph& graph, const Rows& rows, const std::uint8_t* query,
                       float radius, const SearchOptions& options, std::vector<TopK::Item>& found);

  private:
    void walk(const Graph& graph, const Measure& measure, const std::uint8_t* point,
              std::span<const Row> starts, std::size_t width, const Limit& limit);

    // Where the walk for a query begins that may compute so many distances; what is spent on that
    // is taken off.
    std::array<Row, 2> begin(const Graph& graph, const Measure& measure, const std::uint8_t* point,
                             std::span<const Row> entries, std::size_t& distances);

    // The code of a query, in `code_`; false where it has none that fits.
    bool encode(const Graph& graph, const Rows& rows, const std::uint8_t* query);

    PoolWalk walk_;
    TopK best_;
    std::vector<std::uint8_t> code_;
    std::vector<Row> near_;
    std::vector<Key> keys_;
    Seen seen_;                   // by `within`
    std::vector<Ranked> beyond_;  // a heap, the nearest at the front
};

// Compares all rows that may be results.
void scan_allowed(const Rows& rows, const Space& space, const std::uint8_t* query,
                  const Allowed& allowed, TopK& best);

// Writes one row of the result, with the places of rows that do not exist filled.
void write_result(TopK& best, const Space& space, const Queries& queries, std::size_t q);

}  // namespace bitgrove::graph
