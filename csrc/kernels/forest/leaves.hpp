// Adding leaves to results. No include guard on purpose: each level compiles its own.
#include <cstddef>

#include "bitgrove/forest.hpp"

namespace bitgrove::forest {
namespace {

inline void add_leaf(const ForestLeaves& leaves, std::int32_t number, float* out) {
    const float* leaf = leaves.leaf + static_cast<std::size_t>(number) * leaves.outs;
    for (std::size_t c = 0; c < leaves.outs; ++c) out[c] += leaf[c];
}

}  // namespace
}  // namespace bitgrove::forest
