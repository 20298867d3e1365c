// Rows whose sum of table entries may be large: what an asymmetric search over block codes asks for
// before it adds exact numbers.
//
// A row has one code, a byte, for each of `blocks` blocks. Its sum is
//
//     sum over m of table[m * 256 + code of block m]
//
// and every row with a sum of at least `least` is appended, as its number, where `end` points. The
// new end is returned. The rows and their order (rising) are the same at every level.
//
// Rows come in groups of kBlockGroup: [group][block][row of the group]. Codes are below `values`;
// entries of the table from there on are read and must be zero.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove {

inline constexpr std::size_t kBlockGroup = 64;
inline constexpr std::size_t kMaxBlocks = 256;  // sums of bytes stay below 2^16
inline constexpr std::size_t kMaxBlockValues = 256;

struct BlockScan {
    const std::uint8_t* groups;
    std::size_t count;          // of groups
    std::size_t blocks;         // in 1 ..= kMaxBlocks
    std::size_t values;         // in 1 ..= kMaxBlockValues
    std::uint32_t first;        // number of the first row
    const std::uint8_t* table;  // blocks * 256
    std::uint32_t least;        // below 2^16
    std::uint32_t* end;         // room for all rows
};

using BlockScanFn = std::uint32_t* (*)(const BlockScan&);

namespace block_scan {
std::uint32_t* scalar(const BlockScan&);
std::uint32_t* avx2(const BlockScan&);
std::uint32_t* avx512(const BlockScan&);  // needs VBMI
std::uint32_t* neon(const BlockScan&);
}  // namespace block_scan
}  // namespace bitgrove
