#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "bitgrove/real_dots.hpp"

#pragma GCC push_options
#pragma GCC target("avx2,fma")

#include "../vectors/avx2.hpp"
#include "rows.hpp"

namespace bitgrove::real_dots {
namespace {

struct Tile {
    using V = Vector;
    static constexpr std::size_t cols = 2, streams = 4, accumulators = 12;
};

}  // namespace

constinit const RealDotsKernels avx2 = kernels<Tile>();

}  // namespace bitgrove::real_dots
#pragma GCC pop_options
