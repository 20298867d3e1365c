// Exact search: every row is compared with every query.
#pragma once
#include "../parallel.hpp"
#include "../store/rows.hpp"
#include "search.hpp"

namespace bitgrove::graph {

// Writes the k nearest rows of each query, of those allowed, by distance, then by id, and fills up
// with id -1 where there are fewer. The same for any number of threads: they share the queries or,
// where these are few, the rows. Does not check the queries.
void scan(const Rows& rows, const Queries& queries, const Tick& tick, const Allowed& allowed = {});

}  // namespace bitgrove::graph
