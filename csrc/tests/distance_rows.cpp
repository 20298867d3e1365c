// The distances to rows picked by number, on memory that ends where the rows end.
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "../dispatch/table.hpp"
#include "../graph/random.hpp"
#include "bitgrove/distance.hpp"
#include "check.hpp"
#include "fenced.hpp"

namespace {

using bitgrove::available;
using bitgrove::DistanceRowsFn;
using bitgrove::DistanceRowsKernels;
using bitgrove::kMaxBytesDim;
using bitgrove::graph::Random;

constexpr std::uint32_t kUntouched = 0x55555555;

std::uint32_t squared(const std::uint8_t* a, const std::uint8_t* b, std::size_t bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
        const int d = a[i] - b[i];
        sum += static_cast<std::uint32_t>(d * d);
    }
    return sum;
}

std::uint32_t differing(const std::uint8_t* a, const std::uint8_t* b, std::size_t bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
        sum += static_cast<std::uint32_t>(std::popcount(static_cast<unsigned>(a[i] ^ b[i])));
    }
    return sum;
}

struct Table {
    std::size_t bytes, stride, held;
    Fenced<std::uint8_t> point, rows;

    // The last row ends after its `bytes`, whatever the stride.
    Table(std::size_t bytes, std::size_t stride, std::size_t held, bool at_end)
        : bytes(bytes),
          stride(stride),
          held(held),
          point(bytes, at_end),
          rows((held - 1) * stride + bytes, at_end) {}

    const std::uint8_t* row(std::size_t r) { return rows.data() + r * stride; }

    // Every level against the definition, for these numbers of rows.
    void check(const std::vector<std::uint32_t>& picked, bool at_end) {
        Fenced<std::uint32_t> numbers(picked.size(), at_end), out(picked.size(), at_end);
        for (std::size_t j = 0; j < picked.size(); ++j) numbers.data()[j] = picked[j];
        for (const auto& level : available()) {
            const auto compare = [&](DistanceRowsFn kernel, auto definition) {
                for (std::size_t j = 0; j < picked.size(); ++j) out.data()[j] = kUntouched;
                kernel(point.data(), rows.data(), stride, numbers.data(), picked.size(), bytes,
                       out.data());
                for (std::size_t j = 0; j < picked.size(); ++j) {
                    CHECK(out.data()[j] == definition(point.data(), row(picked[j]), bytes));
                }
            };
            compare(level.distance_rows.l2_u8, squared);
            compare(level.distance_rows.hamming, differing);
        }
    }
};

void every_level_gives_the_same_and_touches_nothing_else() {
    Random random(1);
    for (const bool at_end : {true, false}) {
        for (std::size_t bytes = 1; bytes < 200; bytes += bytes < 70 ? 1 : 13) {
            const std::size_t held = 7;
            Table table(bytes, bytes + random.below(40), held, at_end);
            for (std::size_t i = 0; i < bytes; ++i) {
                table.point.data()[i] = static_cast<std::uint8_t>(random.below(256));
            }
            for (std::size_t i = 0; i < table.rows.size(); ++i) {
                table.rows.data()[i] = static_cast<std::uint8_t>(random.below(256));
            }
            for (std::size_t count = 0; count < 10; ++count) {
                std::vector<std::uint32_t> picked(count);
                for (auto& row : picked) row = random.below(held);
                if (count) picked.back() = held - 1;  // which nothing follows
                table.check(picked, at_end);
            }
        }
    }
}

void the_longest_rows_do_not_overflow() {
    Table table(kMaxBytesDim, kMaxBytesDim, 5, true);
    for (std::size_t i = 0; i < table.bytes; ++i) table.point.data()[i] = 255;
    table.check({0, 1, 2, 3, 4}, true);  // 255^2 * kMaxBytesDim: all of memory is zero
    CHECK(squared(table.point.data(), table.row(0), table.bytes) == 4294966275u);
}

void tables_may_be_longer_than_four_gigabytes() {
    const std::size_t stride = std::size_t{1} << 20, held = 5000;
    Table table(33, stride, held, true);  // 5 GB of addresses, of which two pages are touched
    for (std::size_t i = 0; i < 33; ++i) {
        table.point.data()[i] = static_cast<std::uint8_t>(7 * i);
        table.rows.data()[(held - 1) * stride + i] = static_cast<std::uint8_t>(i);
    }
    table.check({held - 1}, true);
    table.check({0, held - 1, 0, held - 1, held - 1}, true);
}

constexpr Test kTests[] = {
    {"distance_rows: every level gives the same and touches nothing else",
     every_level_gives_the_same_and_touches_nothing_else},
    {"distance_rows: the longest rows do not overflow", the_longest_rows_do_not_overflow},
    {"distance_rows: tables may be longer than four gigabytes",
     tables_may_be_longer_than_four_gigabytes},
};

}  // namespace

std::span<const Test> distance_rows_tests() {
    return kTests;
}
