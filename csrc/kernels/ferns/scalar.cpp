// The definition, number by number.
#include <algorithm>

#include "bitgrove/ferns.hpp"

namespace bitgrove::ferns {
namespace {

template <typename T>
void columns(const FernColumns<T>& c) {
    for (std::size_t g = 0; g < c.n_groups; ++g) {
        const std::size_t first = std::size_t{c.groups[g]} * kFernGroup;
        const std::size_t wide = std::min(kFernGroup, c.features - first);
        for (std::size_t j = 0; j < wide; ++j) {
            T* out = c.out + (g * kFernGroup + j) * kFernRows;
            for (std::size_t r = 0; r < c.count; ++r) out[r] = c.rows[r * c.stride + first + j];
        }
    }
}

template <typename T>
void tests(const FernTests<T>& t) {
    for (std::size_t f = 0; f < t.ferns; ++f) {
        std::uint16_t* out = t.out + f * t.out_stride;
        std::fill_n(out, kFernRows, std::uint16_t{0});
        for (std::size_t k = 0; k < t.depth; ++k) {
            const std::size_t at = f * t.depth + k;
            const T* first = t.columns + t.first[at] * kFernRows;
            const T* second = t.second ? t.columns + t.second[at] * kFernRows : nullptr;
            for (std::size_t r = 0; r < kFernRows; ++r) {
                const bool answer = first[r] > (second ? second[r] : t.threshold[at]);
                out[r] = static_cast<std::uint16_t>(out[r] | answer << k);
            }
        }
    }
}

template <typename T, typename Sum>
void votes(const FernVotes<T, Sum>& v) {
    for (std::size_t f = 0; f < v.ferns; ++f) {
        const T* table = v.table + (f << v.depth) * v.width;
        for (std::size_t r = 0; r < v.rows; ++r) {
            const T* leaf = table + v.leaves[f * v.leaf_stride + r] * v.width;
            for (std::size_t c = 0; c < v.width; ++c) v.out[r * v.width + c] += leaf[c];
        }
    }
}

}  // namespace

const FernKernels scalar{columns<std::uint8_t>, columns<float>,
                         tests<std::uint8_t>,   tests<float>,
                         votes<float, float>,   votes<std::int8_t, std::int32_t>};

}  // namespace bitgrove::ferns
