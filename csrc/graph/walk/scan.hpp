// Exact search: every row is compared with every query.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../parallel.hpp"
#include "../store/rows.hpp"
#include "../store/space.hpp"
#include "search.hpp"
#include "topk.hpp"

namespace bitgrove::graph {

// Writes the k nearest rows of each query, of those allowed, by distance, then by id, and fills up
// with id -1 where there are fewer. The same for any number of threads: they share the queries or,
// where these are few, the rows. Does not check the queries.
void scan(const Rows& rows, const Queries& queries, const Tick& tick, const Allowed& allowed = {});

// All rows of those allowed within the radius of each query, by distance, then by id. Likewise.
std::vector<std::vector<TopK::Item>> scan_within(const Rows& rows, const Queries& queries,
                                                 float radius, const Tick& tick,
                                                 const Allowed& allowed);

// Writes what was found for query q, at most k, in this order; `ids` are those of all rows.
void write_found(std::span<const Ranked> found, const Space& space, const Queries& queries,
                 std::size_t q, const std::int64_t* ids);

}  // namespace bitgrove::graph
