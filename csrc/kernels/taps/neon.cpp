#include "../vectors/neon.hpp"

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bitgrove/taps.hpp"
#include "rows.hpp"

namespace bitgrove::taps {

constinit const TapsKernels neon = kernels;

}  // namespace bitgrove::taps
