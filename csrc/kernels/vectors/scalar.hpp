// One number at a time: the vector of a machine without any. See avx2.hpp for the contract.
//
// No include guard on purpose: the including file has it to itself.
#include <cstddef>

namespace bitgrove {
namespace {

struct Vector {
    using Lanes = float;
    using Mask = std::size_t;
    static constexpr std::size_t width = 1;

    static Mask first(std::size_t n) { return n; }
    static Lanes load(const float* p) { return *p; }
    static Lanes load(const float* p, Mask n) { return n ? *p : 0.0f; }
    static void store(float* p, Lanes x) { *p = x; }
    static void store(float* p, Lanes x, Mask n) {
        if (n) *p = x;
    }
    static Lanes zero() { return 0.0f; }
    static Lanes set(float x) { return x; }
    static Lanes add(Lanes x, Lanes y) { return x + y; }
    static Lanes sub(Lanes x, Lanes y) { return x - y; }
    static Lanes mul(Lanes x, Lanes y) { return x * y; }
    static Lanes fma(Lanes x, Lanes y, Lanes z) { return x * y + z; }
    static Lanes max(Lanes x, Lanes y) { return x > y ? x : y; }
    static Lanes min(Lanes x, Lanes y) { return x < y ? x : y; }
    static Lanes equal(Lanes x, Lanes y, Lanes yes, Lanes no) { return x == y ? yes : no; }
    static Lanes at_least(Lanes x, Lanes y, Lanes yes, Lanes no) { return x >= y ? yes : no; }
    static Lanes signs(const unsigned char* bits, std::size_t q) {
        return bits[q / 8] >> (q % 8) & 1 ? 1.0f : -1.0f;
    }
};

}  // namespace
}  // namespace bitgrove
