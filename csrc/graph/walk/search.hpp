// What a user asks for: the k nearest rows of a query, by a fast walk and exact distances at the
// end; or within a radius.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
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

// Flags of rows that may be results: of a filter, less those that were removed.
struct Allowed {
    const std::uint8_t* flags = nullptr;  // one for each row; null: all may
    std::size_t count = 0;                // how many may

    bool operator()(Row row) const { return !flags || flags[row]; }
};

struct SearchOptions {
    std::size_t width = kWidth;  // of the pool; k where that is more
    std::size_t budget = 0;      // most distances computed for one query; 0: no limit
    std::optional<std::chrono::nanoseconds> time;  // most time for one query
    const Row* starts = nullptr;                   // for each query where its walk begins
    Allowed allowed;
};

// One thread's search, with the memory that it uses again and again.
class Search {
  public:
    // Writes the nearest rows of query q; returns how many distances the walk computed.
    std::size_t nearest(const Graph& graph, const Rows& rows, const Queries& queries, std::size_t q,
                        const SearchOptions& options);

    // Appends all rows found within the radius, by (distance, id). A radius is a key of Space.
    void within(const Graph& graph, const Rows& rows, const std::uint8_t* query, Key radius,
                const SearchOptions& options, std::vector<TopK::Item>& found);

  private:
    void walk(const Graph& graph, const Measure& measure, const std::uint8_t* point,
              std::span<const Row> starts, std::size_t width, const Limit& limit);

    PoolWalk walk_;
    TopK best_;
    std::vector<std::uint8_t> code_;
    std::vector<Row> near_;
    std::vector<Key> keys_;
};

// Writes one row of the result, with the places of rows that do not exist filled.
void write_result(TopK& best, const Space& space, const Queries& queries, std::size_t q);

}  // namespace bitgrove::graph
