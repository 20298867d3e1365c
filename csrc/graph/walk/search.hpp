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

    // Whether a query ends when its limit is reached, however few rows were found.
    bool hard() const { return budget || time; }
};

// One query after the other, with the memory that is used again and again. A query begins, advances
// vertex by vertex, and is over when its results are written; several that take turns hide each
// other's waiting for memory.
class Search {
  public:
    // All that is handed over must live until the query is over.
    void begin(const Graph& graph, const Rows& rows, const Queries& queries, std::size_t q,
               const SearchOptions& options);
    // Goes on to the next vertex; false once the nearest rows of the query are written.
    bool advance();
    // Distances computed for the query.
    std::size_t computed() const { return computed_; }

    // Finds all rows within the radius, by (distance, id); returns how many distances it computed.
    std::size_t within(const Graph& graph, const Rows& rows, const std::uint8_t* query,
                       float radius, const SearchOptions& options, std::vector<TopK::Item>& found);

  private:
    // Where the walk for a query begins that may compute so many distances; what is spent on that
    // is taken off.
    std::array<Row, 2> starts_near(const Graph& graph, const Measure& measure,
                                   const std::uint8_t* point, std::span<const Row> entries,
                                   std::size_t& distances);

    // The code of a query, in `code_`; false where it has none that fits.
    bool encode(const Graph& graph, const Rows& rows, const std::uint8_t* query);

    std::size_t found() const;  // vertices in the pool that may be results
    void scan();                // all rows that may be results, and the query is over
    void finish();              // the results from the pool

    // of the query that has begun
    const Graph* graph_ = nullptr;
    const Rows* rows_ = nullptr;
    const Queries* queries_ = nullptr;
    const SearchOptions* options_ = nullptr;
    const std::uint8_t* query_ = nullptr;
    const std::uint8_t* point_ = nullptr;  // the code of the query, or the query itself
    std::optional<Measure> measure_;
    std::array<Row, 2> starts_{};
    Limit limit_;
    std::size_t q_ = 0, width_ = 0, needed_ = 0, computed_ = 0;
    bool coded_ = false, over_ = true;

    // memory
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
