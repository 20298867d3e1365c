#include "bitgrove/block_scan.hpp"

#include <string_view>

#include "table.hpp"

namespace bitgrove {

BlockScanFn block_scan_of(const Kernels& level) {
    const std::string_view name = level.name;
#if defined(__x86_64__)
    if (name == "avx512" || name == "amx") return block_scan::avx512;
    if (name == "avx512bw" || name == "avx2") return block_scan::avx2;
#endif
    static_cast<void>(name);
    return block_scan::scalar;
}

}  // namespace bitgrove
