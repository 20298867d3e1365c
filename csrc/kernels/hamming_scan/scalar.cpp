#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace bitgrove::hamming_scan {
namespace {

struct Words {
    using Lanes = std::uint64_t;
    static constexpr std::size_t width = 1, registers = 4;

    static Lanes load(const std::uint64_t* p) { return *p; }
    static void store(std::uint64_t* p, Lanes x) { *p = x; }
    static Lanes set(std::uint64_t x) { return x; }
    static Lanes limit(std::uint32_t x) { return x; }
    static Lanes count(Lanes x, Lanes y) { return static_cast<Lanes>(std::popcount(x ^ y)); }
    static Lanes add(Lanes x, Lanes y) { return x + y; }
    static Lanes total(Lanes x) { return x; }
    static Lanes plus(Lanes x, Lanes y) { return x + y; }
    static Lanes least(Lanes x, Lanes y) { return x < y ? x : y; }
    static bool any(Lanes x, Lanes limit) { return x <= limit; }

    template <std::size_t W>
    static void turn(const std::uint8_t* rows, Lanes (&out)[W]) {
        std::memcpy(out, rows, sizeof out);
    }

    template <std::size_t W>
    static constexpr std::size_t order[1] = {0};
};

}  // namespace
}  // namespace bitgrove::hamming_scan

#include "rows.hpp"

namespace bitgrove::hamming_scan {

void scalar(const HammingScan& s) {
    scan(s);
}

}  // namespace bitgrove::hamming_scan
