#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace bitgrove::hamming_counts {
namespace {

struct Words {
    using Lanes = std::uint64_t;
    static constexpr std::size_t width = 1;

    static Lanes load(const std::uint64_t* p) { return *p; }
    static void store(std::uint64_t* p, Lanes x) { *p = x; }
    static Lanes set(std::uint64_t x) { return x; }
    static Lanes both(Lanes x, Lanes y) { return x & y; }
    static Lanes differ(Lanes x, Lanes y) { return x ^ y; }
    static Lanes without(Lanes x, Lanes y) { return x & ~y; }
    static Lanes odd(Lanes x, Lanes y, Lanes z) { return x ^ y ^ z; }
    static Lanes two(Lanes x, Lanes y, Lanes z) { return (x & y) | ((x ^ y) & z); }
    static bool any(Lanes x) { return x != 0; }
    static Lanes count(Lanes x) { return static_cast<Lanes>(std::popcount(x)); }
    static Lanes plus(Lanes x, Lanes y) { return x + y; }
    static std::uint64_t total(Lanes x) { return x; }
};

}  // namespace
}  // namespace bitgrove::hamming_counts

#include "slices.hpp"

namespace bitgrove::hamming_counts {

void scalar(const HammingCounts& c) {
    count(c);
}

}  // namespace bitgrove::hamming_counts
