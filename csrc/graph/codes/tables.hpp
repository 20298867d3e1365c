// For each substring of the codes, the rows that have each value: buckets in one array.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../parallel.hpp"
#include "../store/rows.hpp"
#include "substrings.hpp"

namespace bitgrove::graph {

class SubstringTable {
  public:
    SubstringTable(const Substring& substring, const Rows& rows, std::size_t count);

    const Substring& substring() const { return substring_; }

    // Substrings longer than the numbers of buckets are hashed: rows with other values may be in
    // the bucket too, which costs their distance and nothing else.
    std::size_t bucket(std::uint64_t value) const {
        return substring_.width <= places_ ? value : value * 0x9e3779b97f4a7c15u >> (64 - places_);
    }
    const std::uint32_t* start(std::size_t bucket) const { return starts_.data() + bucket; }
    const Row* member(std::size_t place) const { return members_.data() + place; }

  private:
    Substring substring_;
    std::size_t places_;                 // bits of the number of a bucket
    std::vector<std::uint32_t> starts_;  // of each bucket among the members, and the end
    std::vector<Row> members_;           // bucket after bucket, each by rising row
};

// Tables over the first `rows` of an index.
struct SubstringTables {
    std::size_t rows;
    std::vector<SubstringTable> tables;
};

// Throws what the tick throws, or for want of memory.
SubstringTables make_tables(const Rows& rows, std::size_t parts, std::size_t threads,
                            const Tick& tick);

}  // namespace bitgrove::graph
