#include "../vectors/scalar.hpp"

#include "bitgrove/real_dots.hpp"
#include "rows.hpp"

namespace bitgrove::real_dots {
namespace {

struct Tile {
    using V = Vector;
    static constexpr std::size_t cols = 8, streams = 1, accumulators = 8;
};

}  // namespace

constinit const RealDotsKernels scalar = kernels<Tile>();

}  // namespace bitgrove::real_dots
