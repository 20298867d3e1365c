// What an exact search needs around a matrix product: rows widened to float32 before it, and the
// products that are large enough after it.
//
// widen_*: the n numbers of x as float32, exactly.
//
// reach: writes r * n + q, rising, for each r < count and q < n with
//
//     dots[r * n + q] >= rows[r] + queries[q]
//
// where the sum is rounded to float32, and returns how many they are. `out` has room for count * n
// numbers, which fit in 32 bits. n is a multiple of 16.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove {

struct DotScanKernels {
    void (*widen_u8)(const std::uint8_t* x, std::size_t n, float* out);
    void (*widen_f16)(const std::uint16_t* x, std::size_t n, float* out);
    std::size_t (*reach)(const float* dots, std::size_t count, std::size_t n, const float* rows,
                         const float* queries, std::uint32_t* out);
};

namespace dot_scan {
extern const DotScanKernels scalar;
extern const DotScanKernels avx2;
extern const DotScanKernels avx512;  // needs F, BW and VL
}  // namespace dot_scan
}  // namespace bitgrove
