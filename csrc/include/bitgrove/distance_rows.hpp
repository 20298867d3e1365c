// Distances from one point to rows of a table that are picked by number: what a walk on a graph
// asks for when it comes to a vertex.
//
//     l2_u8:   sum over i of (point[i] - row[i])^2, at most kMaxBytesDim bytes
//     hamming: number of bits in which they differ, at most 2^29 - 1 bytes
//
// out[j] belongs to the row at `table + rows[j] * stride`. Nothing past the `bytes` of the point or
// of a row is read, and no alignment is needed. The results are exact, at every level.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove {

using DistanceRowsFn = void (*)(const std::uint8_t* point, const std::uint8_t* table,
                                std::size_t stride, const std::uint32_t* rows, std::size_t count,
                                std::size_t bytes, std::uint32_t* out);

struct DistanceRowsKernels {
    DistanceRowsFn l2_u8;
    DistanceRowsFn hamming;
};

namespace distance_rows {
extern const DistanceRowsKernels scalar;
extern const DistanceRowsKernels avx2;
extern const DistanceRowsKernels avx512;
}  // namespace distance_rows
}  // namespace bitgrove
