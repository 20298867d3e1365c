#include "../vectors/neon.hpp"

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bitgrove/pointwise.hpp"
#include "rows.hpp"

namespace bitgrove::pointwise {

constinit const PointwiseKernels neon = kernels;

}  // namespace bitgrove::pointwise
