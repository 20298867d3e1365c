#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bitgrove/taps.hpp"

#pragma GCC push_options
#pragma GCC target("avx2,fma")

#include "../vectors/avx2.hpp"
#include "rows.hpp"

namespace bitgrove::taps {

constinit const TapsKernels avx2 = kernels;

}  // namespace bitgrove::taps
#pragma GCC pop_options
