#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "bitgrove/real_dots.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")

#include "../vectors/avx512.hpp"
#include "rows.hpp"

namespace bitgrove::real_dots {
namespace {

struct Tile {
    using V = Vector;
    static constexpr std::size_t cols = 4, streams = 2, accumulators = 24;
};

}  // namespace

constinit const RealDotsKernels avx512 = kernels<Tile>();

}  // namespace bitgrove::real_dots
#pragma GCC pop_options
