#include "bitgrove/distance.hpp"
#include "bitgrove/distance_rows.hpp"

namespace bitgrove::distance_rows {
namespace {

template <std::uint32_t (*const DistanceKernels::*PAIR)(const std::uint8_t*, const std::uint8_t*,
                                                        std::size_t)>
void each(const std::uint8_t* point, const std::uint8_t* table, std::size_t stride,
          const std::uint32_t* rows, std::size_t count, std::size_t bytes, std::uint32_t* out) {
    for (std::size_t j = 0; j < count; ++j) {
        out[j] = (distance::scalar.*PAIR)(point, table + rows[j] * stride, bytes);
    }
}

}  // namespace

const DistanceRowsKernels scalar{.l2_u8 = each<&DistanceKernels::l2_u8>,
                                 .hamming = each<&DistanceKernels::hamming>};

}  // namespace bitgrove::distance_rows
