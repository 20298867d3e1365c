#include "../vectors/scalar.hpp"

#include "rows.hpp"

namespace bitgrove::pointwise {

constinit const PointwiseKernels scalar = kernels;

}  // namespace bitgrove::pointwise
