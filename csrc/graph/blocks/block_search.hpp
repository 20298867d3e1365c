// Search over codes that name one of `values` in each of `blocks` blocks, by real-valued queries:
// a row's score is the sum of the query's numbers at its codes, and larger is nearer.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../parallel.hpp"
#include "bitgrove/block_scan.hpp"

namespace bitgrove::graph {

// Rows in groups, [group][block][row]; the last group is filled up with zeros.
struct BlockRows {
    const std::uint8_t* groups;
    const std::int64_t* ids;  // distinct
    std::size_t count, blocks, values;

    std::size_t group_count() const { return (count + kBlockGroup - 1) / kBlockGroup; }
};

// Writes rows of `blocks` codes in groups.
void group_blocks(const std::uint8_t* codes, std::size_t count, std::size_t blocks,
                  std::uint8_t* groups);

struct BlockQueries {
    const float* rows;  // finite, [block][value], no score past the range of float32
    std::size_t count, k, threads;
    float* scores;      // count * k
    std::int64_t* ids;  // count * k
};

// Writes the k rows of the largest score for each query, by score, then by id, and fills up with
// id -1 and minus infinity. A score is added in float32, block after block. The same for any number
// of threads and at every level.
void search_blocks(const BlockRows& rows, const BlockQueries& queries, const Tick& tick);

}  // namespace bitgrove::graph
