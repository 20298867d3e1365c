// Packed rows near packed queries: what an exact search asks for, one block of rows at a time.
//
// For each query q it appends every row r < count whose distance
//
//     popcount(row_r XOR query_q) <= limits[q]
//
// as `distance << 32 | (first + r)` where ends[q] points, and moves ends[q] on. Which rows are
// appended is the same at every level; their order is not.
//
// rows: count rows of `bytes` bytes, one after the other, of any alignment; nothing past the last
// is read. queries: n * words numbers, words = ceil(bytes / 8): the bytes of each query as they
// come, then zeros. There must be room for count + kScanSlack numbers after each end, for vectors
// are stored whole.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove {

inline constexpr std::size_t kMaxScanWords = 64;
inline constexpr std::size_t kScanSlack = 8;

struct HammingScan {
    const std::uint8_t* rows;
    std::size_t bytes;  // in 1 ..= 8 * kMaxScanWords
    std::size_t count;
    std::uint32_t first;
    const std::uint64_t* queries;
    std::size_t n;
    const std::uint32_t* limits;  // n; those past the number of bits mean every row
    std::uint64_t** ends;         // n
    bool goes_on = true;          // the rows behind these come next, and may be asked for early
};

using HammingScanFn = void (*)(const HammingScan&);

namespace hamming_scan {
void scalar(const HammingScan&);
void avx2(const HammingScan&);
void avx512(const HammingScan&);  // needs VPOPCNTDQ
void neon(const HammingScan&);
}  // namespace hamming_scan
}  // namespace bitgrove
