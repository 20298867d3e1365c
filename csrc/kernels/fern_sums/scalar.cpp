#include "bitgrove/fern_sums.hpp"
#include "plain.hpp"

namespace bitgrove::fern_sums {
namespace {

void rows(const FernRows& job) {
    const FernSums& s = job.sums;
    const std::size_t row = words(s.positions) * 64;
    for (std::size_t x = 0; x < job.count; ++x) {
        float* out = job.out + x * job.out_stride;
        for (std::size_t o = 0; o < job.outs; ++o) {
            std::int32_t sum = 0;
            for (std::size_t f = 0; f < s.ferns; ++f) {
                const std::size_t entry = s.addresses[f * row + job.first + x];
                sum += job.table[((f << s.depth) + entry) * job.row + o];
            }
            out[o] = static_cast<float>(sum) * job.scale[o] + job.bias[o];
        }
    }
}

}  // namespace

constinit const FernSumsKernels scalar{.address_bytes = plain_address_bytes,
                                       .addresses = plain_addresses,
                                       .table_bytes = plain_table_bytes,
                                       .pack_table = plain_pack_table,
                                       .compare = plain_compare,
                                       .rows = rows,
                                       .above = plain_above};

}  // namespace bitgrove::fern_sums
