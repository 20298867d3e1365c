// The distance kernels on rows that end where the memory ends, so that a sanitizer sees over-reads.
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "../dispatch/table.hpp"
#include "../graph/random.hpp"
#include "check.hpp"

namespace {

using bitgrove::available;
using bitgrove::DistanceKernels;
using bitgrove::graph::Random;

// Every element of type T, with nothing allocated after the last one.
template <typename T>
std::unique_ptr<T[]> row(Random& random, std::size_t dim) {
    std::unique_ptr<T[]> values(new T[dim]);
    for (std::size_t i = 0; i < dim; ++i) {
        if constexpr (sizeof(T) == 4) values[i] = static_cast<T>(random.below(2001)) / 1000 - 1;
        if constexpr (sizeof(T) == 2) values[i] = static_cast<T>(random.below(0x7c00));
        if constexpr (sizeof(T) == 1) values[i] = static_cast<T>(random.below(256));
    }
    return values;
}

template <typename T, typename Result>
void agree(Random& random, std::size_t dim,
           Result (*DistanceKernels::*kernel)(const T*, const T*, std::size_t)) {
    const auto a = row<T>(random, dim), b = row<T>(random, dim);
    const Result expected = (available().front().distance.*kernel)(a.get(), b.get(), dim);
    for (const auto& level : available()) {
        CHECK((level.distance.*kernel)(a.get(), b.get(), dim) == expected);
    }
}

void every_level_gives_the_same_and_reads_no_further() {
    Random random(1);
    for (std::size_t dim = 0; dim < 200; ++dim) {
        agree(random, dim, &DistanceKernels::l2_f32);
        agree(random, dim, &DistanceKernels::ip_f32);
        agree(random, dim, &DistanceKernels::l2_f16);
        agree(random, dim, &DistanceKernels::ip_f16);
        agree(random, dim, &DistanceKernels::l2_u8);
        agree(random, dim, &DistanceKernels::ip_u8);
        agree(random, dim, &DistanceKernels::hamming);
    }
}

void bits_are_counted() {
    Random random(2);
    for (std::size_t bytes = 0; bytes < 150; ++bytes) {
        const auto a = row<std::uint8_t>(random, bytes), b = row<std::uint8_t>(random, bytes);
        std::uint32_t expected = 0;
        for (std::size_t i = 0; i < 8 * bytes; ++i) {
            expected += (a[i / 8] ^ b[i / 8]) >> (i % 8) & 1;
        }
        for (const auto& level : available()) {
            CHECK(level.distance.hamming(a.get(), b.get(), bytes) == expected);
        }
    }
}

constexpr Test kTests[] = {
    {"distance: every level gives the same and reads no further",
     every_level_gives_the_same_and_reads_no_further},
    {"distance: bits are counted", bits_are_counted},
};

}  // namespace

std::span<const Test> distance_tests() {
    return kTests;
}
