#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bitgrove/pointwise.hpp"

#pragma GCC push_options
#pragma GCC target("avx2,fma")

#include "../vectors/avx2.hpp"
#include "rows.hpp"

namespace bitgrove::pointwise {

constinit const PointwiseKernels avx2 = kernels;

}  // namespace bitgrove::pointwise
#pragma GCC pop_options
