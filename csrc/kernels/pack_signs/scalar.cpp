#include "bitgrove/pack_signs.hpp"

namespace bitgrove::pack_signs {

void scalar(const float* x, std::size_t rows, std::size_t cols, std::size_t x_stride,
            const float* thresholds, const std::uint64_t* flip, std::uint64_t* out,
            std::size_t out_stride) {
    const std::size_t words = words_for(cols);
    for (std::size_t r = 0; r < rows; ++r) {
        const float* row = x + r * x_stride;
        for (std::size_t w = 0; w < words; ++w) {
            std::uint64_t bits = 0;
            for (std::size_t c = w * 64; c < cols && c < w * 64 + 64; ++c) {
                const float threshold = thresholds ? thresholds[c] : 0.0f;
                bits |= static_cast<std::uint64_t>(row[c] >= threshold) << (c % 64);
            }
            out[r * out_stride + w] = bits ^ (flip ? flip[w] : 0);
        }
    }
}

}  // namespace bitgrove::pack_signs
