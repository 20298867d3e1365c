#include <bit>

#include "bitgrove/hamming.hpp"

namespace bitgrove::hamming {

void scalar(const std::uint64_t* a, std::size_t na, const std::uint64_t* b, std::size_t nb,
            std::size_t words, std::int32_t* out) {
    for (std::size_t i = 0; i < na; ++i) {
        for (std::size_t j = 0; j < nb; ++j) {
            std::int32_t count = 0;
            for (std::size_t w = 0; w < words; ++w) {
                count += std::popcount(a[i * words + w] ^ b[j * words + w]);
            }
            out[i * nb + j] = count;
        }
    }
}

}  // namespace bitgrove::hamming
