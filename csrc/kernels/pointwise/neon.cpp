#include "../vectors/neon.hpp"

#include "bitgrove/pointwise.hpp"
#include "rows.hpp"

namespace bitgrove::pointwise {

constinit const PointwiseKernels neon = kernels;

}  // namespace bitgrove::pointwise
