// One row of kernel pointers for each SIMD level; the active row is chosen once, at run time.
#pragma once
#include <string_view>
#include <vector>

#include "bitgrove/binary_dots.hpp"
#include "bitgrove/block_scan.hpp"
#include "bitgrove/byte_dots.hpp"
#include "bitgrove/distance.hpp"
#include "bitgrove/distance_rows.hpp"
#include "bitgrove/dot_scan.hpp"
#include "bitgrove/fern_sums.hpp"
#include "bitgrove/ferns.hpp"
#include "bitgrove/forest.hpp"
#include "bitgrove/hamming.hpp"
#include "bitgrove/hamming_counts.hpp"
#include "bitgrove/hamming_scan.hpp"
#include "bitgrove/pack_signs.hpp"
#include "bitgrove/pointwise.hpp"
#include "bitgrove/popcount_peak.hpp"
#include "bitgrove/real_dots.hpp"
#include "bitgrove/sign.hpp"
#include "bitgrove/sign_dots.hpp"
#include "bitgrove/split_dots.hpp"
#include "bitgrove/taps.hpp"

namespace bitgrove {

struct Kernels {
    const char* name;
    PackSignsFn pack_signs;
    HammingFn hamming;
    HammingScanFn hamming_scan;
    HammingCountsFn hamming_counts;
    DistanceKernels distance;
    DistanceRowsKernels distance_rows;
    BlockScanFn block_scan;
    const DotScanKernels* dot_scan;
    SignKernels sign;
    const BinaryDotsKernels* binary_dots;
    const RealDotsKernels* real_dots;
    const ByteDotsKernels* byte_dots;
    const TapsKernels* taps;
    const FernSumsKernels* fern_sums;
    const PointwiseKernels* pointwise;
    const FernKernels* ferns;
    PopcountPeakFn popcount_peak;
    const ForestKernels* forest;
    const SignDotsKernels* sign_dots;    // null where the CPU has no unit for it
    const SplitDotsKernels* split_dots;  // likewise
};

// The levels that this CPU can run, slowest first; front() is always "scalar".
const std::vector<Kernels>& available();

// The level in use: the fastest one, or the one that BITGROVE_SIMD names. Lock-free after the first
// call. Throws std::invalid_argument if BITGROVE_SIMD names a level that this CPU lacks.
const Kernels& active();

// Throws std::invalid_argument, with the names available, for a level that this CPU lacks.
void set_level(std::string_view name);

}  // namespace bitgrove
