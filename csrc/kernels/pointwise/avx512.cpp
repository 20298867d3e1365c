#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bitgrove/pointwise.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")

#include "../vectors/avx512.hpp"
#include "rows.hpp"

namespace bitgrove::pointwise {

constinit const PointwiseKernels avx512 = kernels;

}  // namespace bitgrove::pointwise
#pragma GCC pop_options
