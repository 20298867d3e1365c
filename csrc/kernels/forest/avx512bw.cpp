#include <immintrin.h>

#include "bitgrove/forest.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl")

#include "steps512.hpp"

namespace bitgrove::forest {

const ForestKernels avx512bw{steps, nullptr, nullptr};

}  // namespace bitgrove::forest
#pragma GCC pop_options
