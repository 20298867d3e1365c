#include "bitgrove/dot_scan.hpp"
#include "bitgrove/half.hpp"

namespace bitgrove::dot_scan {
namespace {

void widen_u8(const std::uint8_t* x, std::size_t n, float* out) {
    for (std::size_t i = 0; i < n; ++i) out[i] = x[i];
}

void widen_f16(const std::uint16_t* x, std::size_t n, float* out) {
    for (std::size_t i = 0; i < n; ++i) out[i] = half_to_float(x[i]);
}

std::size_t reach(const float* dots, std::size_t count, std::size_t n, const float* rows,
                  const float* queries, std::uint32_t* out) {
    std::size_t found = 0;
    for (std::size_t r = 0; r < count; ++r) {
        for (std::size_t q = 0; q < n; ++q) {
            if (dots[r * n + q] >= rows[r] + queries[q]) {
                out[found++] = static_cast<std::uint32_t>(r * n + q);
            }
        }
    }
    return found;
}

}  // namespace

const DotScanKernels scalar{.widen_u8 = widen_u8, .widen_f16 = widen_f16, .reach = reach};

}  // namespace bitgrove::dot_scan
