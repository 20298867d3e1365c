#include "../vectors/neon.hpp"

#include "bitgrove/taps.hpp"
#include "rows.hpp"

namespace bitgrove::taps {

constinit const TapsKernels neon = kernels;

}  // namespace bitgrove::taps
