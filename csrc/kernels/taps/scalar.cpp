#include "../vectors/scalar.hpp"

#include "rows.hpp"

namespace bitgrove::taps {

constinit const TapsKernels scalar = kernels;

}  // namespace bitgrove::taps
