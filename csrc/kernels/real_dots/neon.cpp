#include "../vectors/neon.hpp"

#include "bitgrove/real_dots.hpp"
#include "rows.hpp"

namespace bitgrove::real_dots {
namespace {

struct Tile {
    using V = Vector;
    static constexpr std::size_t cols = 4, streams = 4, accumulators = 24;
};

}  // namespace

constinit const RealDotsKernels neon = kernels<Tile>();

}  // namespace bitgrove::real_dots
