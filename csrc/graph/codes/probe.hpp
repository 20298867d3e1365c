// Exact search in Hamming space by looking up substrings.
//
// Codes that differ in r = m a + b bits, b < m, agree up to a bits in one of the first b + 1 of m
// substrings, or up to a - 1 bits in one of the others: else they would differ in more. So the
// buckets at distance 0, 1, ... of each substring in turn give all rows within 0, 1, 2, ... bits
// (Norouzi, Punjani, Fleet, CVPR 2012). Where that would look at more than a scan of all rows
// costs, it gives up.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../walk/nearest.hpp"
#include "../walk/pool_walk.hpp"
#include "tables.hpp"

namespace bitgrove::graph {

// One thread's search, with the memory that it uses again and again.
class Probe {
  public:
    // What may be spent on one query, in words of codes that a scan passes over.
    static double cost_of_scan(const Rows& rows, std::size_t queries);

    // The k nearest of all rows, by (distance, id), as `best.sorted()`; false if it gave up.
    bool nearest(const SubstringTables& tables, const Rows& rows, const std::uint8_t* query,
                 std::size_t k, double limit, Nearest& best);

    // All rows within the radius, in any order; false if it gave up.
    bool within(const SubstringTables& tables, const Rows& rows, const std::uint8_t* query,
                std::size_t radius, double limit, std::vector<Ranked>& found);

    // Rows that may be put down in `best` at once.
    static constexpr std::size_t kPutDown = 1024;

  private:
    void begin(const SubstringTables& tables, const Rows& rows, const std::uint8_t* query,
               double limit);
    // Calls found(key, row) for the rows behind those of the tables.
    template <typename Found>
    void tail(const SubstringTables& tables, Found found);
    // And for each row, met for the first time, whose substring `part` may be at the distance.
    template <typename Found>
    bool ring(const SubstringTables& tables, std::size_t part, std::size_t distance, Found found);
    template <typename Found>
    void measure(std::span<const Row> rows, Found found);

    const Rows* rows_ = nullptr;
    const std::uint8_t* query_ = nullptr;
    double left_ = 0;
    std::vector<std::uint64_t> values_;  // of the query's substrings
    std::vector<double> met_;            // rows in the last ring of each table
    std::vector<Row> members_;
    std::vector<Key> keys_;
    std::vector<std::size_t> at_;  // how many of the rows met are at each distance
    Seen seen_;
};

}  // namespace bitgrove::graph
