// Decision trees on many rows: which leaf each row reaches in each tree, and the sum of the leaves.
//
// A row goes right at a node where x > threshold, else left; NaN goes where the node says. Every
// kernel sends every row to the same leaf, and adds the leaves of a row in float32 in the order of
// the trees, so that all levels agree to the bit.
//
// There are two layouts. Steps have 8 bytes per node, of any tree over any number of columns, and
// read the numbers themselves. Blocks hold five levels of a tree each, over at most 256 columns
// whose numbers were replaced by ranks: how many of a column's thresholds are below.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove {

// `where` holds the feature in its low bits and in the others the place of the left child, counted
// from the first step of the tree; the right child comes next. A leaf is its own left child, and
// its threshold is infinite.
struct TreeStep {
    float threshold;
    std::uint32_t where;
};

struct ForestSteps {
    const TreeStep* steps;
    const std::int32_t* leaf;          // of each step that is a leaf
    const std::uint8_t* missing;       // of each step: 1 sends NaN right; null if none does
    const std::uint32_t* first;        // of each tree, its first step
    const std::uint32_t* least_depth;  // of a leaf of each tree
    std::size_t trees;
    unsigned feature_bits;  // 0 to 31
};

// Blocks of 31 nodes in the order of a heap, numbers 1 to 31. A row that leaves a block has a
// number 0 to 31, and goes on to the block exits[32 * block + number], or if that is negative has
// reached the leaf ~exit. A row is at a node's right if its rank in `column` is above `rank`; what
// stands at number 0 is not read.
template <class Rank>
struct ForestBlocks {
    const Rank* column;  // 32 of each block
    const Rank* rank;    // likewise; all ones where every row goes left
    const std::int32_t* exits;
    const std::int32_t* root;  // of each tree: a block, or a leaf if negative
    std::size_t trees;
};

// How numbers of `columns` columns, a multiple of 16, become ranks. Of column c with the thresholds
// `sorted`, padded by infinity, and t = (x - offset[c]) * scale[c] cut off at 0 and buckets[c] - 1,
// the rank, of NaN 0, is at least start[first_start[c] + int(t)], and less than 2^steps above that,
// where the steps are those of the column's group of sixteen.
struct RankTables {
    const std::int32_t* feature;  // of each column
    const float* offset;
    const float* scale;
    const float* last_bucket;          // buckets - 1
    const std::int32_t* first_start;   // into start
    const std::int32_t* first_sorted;  // into sorted
    const std::uint8_t* steps;         // of each group of sixteen columns
    const std::int32_t* start;
    const float* sorted;
    std::size_t columns;
};

struct ForestLeaves {
    const float* leaf;  // [leaves][outs]
    std::size_t outs;
};

// x: rows of floats, `stride` from one to the next, less than 2^25. out: rows of leaves.outs
// numbers, to which the leaves are added. Of one number, out_stride is 1; of several, rows begin at
// multiples of 64 bytes and what is between them may be written.
struct ForestRows {
    const float* x;
    std::size_t stride;
    std::size_t rows;
    float* out;
    std::size_t out_stride;
};

inline constexpr std::size_t kForestRows = 1024;        // at most at a time through blocks
inline constexpr std::size_t kForestColumns = 256;      // of blocks with ranks of 8 bits
inline constexpr std::size_t kForestWideColumns = 128;  // of 16 bits
inline constexpr std::size_t kForestRoom = kForestRows * kForestColumns;

struct ForestKernels {
    void (*steps)(const ForestSteps&, const ForestLeaves&, const ForestRows&);
    // Of rows <= kForestRows. `room`: kForestRoom bytes, 64-byte aligned. Null where the CPU has no
    // fast way of doing it. NaN goes left; unless `nan` is set, a row that holds it among the
    // columns makes them return false, with nothing added.
    bool (*bytes)(const ForestBlocks<std::uint8_t>&, const RankTables&, const ForestLeaves&,
                  const ForestRows&, bool nan, std::byte* room);
    bool (*words)(const ForestBlocks<std::uint16_t>&, const RankTables&, const ForestLeaves&,
                  const ForestRows&, bool nan, std::byte* room);
};

namespace forest {
extern const ForestKernels scalar;
extern const ForestKernels avx2;
extern const ForestKernels avx512bw;
extern const ForestKernels avx512;  // needs VBMI
}  // namespace forest
}  // namespace bitgrove
