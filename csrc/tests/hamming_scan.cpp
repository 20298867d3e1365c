// The scan of packed rows on rows that end where the memory ends.
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "../dispatch/table.hpp"
#include "../graph/random.hpp"
#include "check.hpp"
#include "fenced.hpp"

namespace {

using bitgrove::available;
using bitgrove::HammingScan;
using bitgrove::kScanSlack;
using bitgrove::graph::Random;

constexpr std::uint64_t kUntouched = 0x5555555555555555;

struct Case {
    std::size_t bytes, count, n;
    const std::uint8_t* rows;
    std::vector<std::uint64_t> queries;
    std::vector<std::uint32_t> limits;
    std::uint32_t first = 1000;

    std::size_t words() const { return (bytes + 7) / 8; }

    // Bit by bit.
    std::uint32_t distance(std::size_t q, std::size_t row) const {
        std::uint32_t sum = 0;
        for (std::size_t i = 0; i < 8 * bytes; ++i) {
            const std::uint64_t a = rows[row * bytes + i / 8] >> i % 8;
            sum += (a ^ queries[q * words() + i / 64] >> i % 64) & 1;
        }
        return sum;
    }

    std::vector<std::vector<std::uint64_t>> expected() const {
        std::vector<std::vector<std::uint64_t>> found(n);
        for (std::size_t q = 0; q < n; ++q) {
            for (std::size_t r = 0; r < count; ++r) {
                const std::uint64_t d = distance(q, r);
                if (d <= limits[q]) found[q].push_back(d << 32 | (first + r));
            }
            std::sort(found[q].begin(), found[q].end());
        }
        return found;
    }

    std::vector<std::vector<std::uint64_t>> found(bitgrove::HammingScanFn kernel) const {
        std::vector<std::vector<std::uint64_t>> room(
            n, std::vector<std::uint64_t>(count + kScanSlack + 1, kUntouched));
        std::vector<std::uint64_t*> ends;
        for (auto& hits : room) ends.push_back(hits.data());
        kernel({rows, bytes, count, first, queries.data(), n, limits.data(), ends.data()});
        for (std::size_t q = 0; q < n; ++q) {
            CHECK(room[q].back() == kUntouched);
            room[q].resize(static_cast<std::size_t>(ends[q] - room[q].data()));
            std::sort(room[q].begin(), room[q].end());
        }
        return room;
    }
};

// Limits of every kind: nothing, a few rows, about half of them, all, more than there are bits.
Case made(Random& random, std::size_t bytes, std::size_t count, std::size_t n,
          Fenced<uint8_t>& rows) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        rows.data()[i] = static_cast<std::uint8_t>(random.below(256));
    }
    Case c{bytes, count, n, rows.data(), {}, {}};
    c.queries.resize(n * c.words());
    auto* queries = reinterpret_cast<std::uint8_t*>(c.queries.data());
    const auto bits = static_cast<std::uint32_t>(8 * bytes);
    for (std::size_t q = 0; q < n; ++q) {
        for (std::size_t i = 0; i < bytes; ++i) {
            queries[q * 8 * c.words() + i] = static_cast<std::uint8_t>(random.below(256));
        }
        const std::uint32_t kinds[] = {bits / 2 - bits / 16 - 1, bits / 2, 0xffffffff, bits, 0};
        c.limits.push_back(kinds[(q + count) % 5]);
    }
    return c;
}

void agree(Random& random, std::size_t bytes, std::size_t count, std::size_t n) {
    for (const bool at_end : {true, false}) {
        Fenced<std::uint8_t> rows(bytes * count, at_end);
        const Case c = made(random, bytes, count, n, rows);
        const auto expected = c.expected();
        for (const auto& level : available()) CHECK(c.found(level.hamming_scan) == expected);
    }
}

void every_level_finds_the_rows_that_counting_bits_finds() {
    Random random(1);
    for (const std::size_t bytes : {1, 2, 7, 8, 9, 15, 16, 17, 20, 24, 31, 32, 33, 40, 64, 65}) {
        for (const std::size_t count : {1, 3, 8, 63, 64, 65, 130}) {
            for (const std::size_t n : {1, 2, 5, 9}) agree(random, bytes, count, n);
        }
    }
}

void the_longest_rows_are_counted_in_full() {
    Random random(2);
    for (const std::size_t bytes : {127, 128, 136, 511, 512}) agree(random, bytes, 70, 3);
    const std::size_t bytes = 8 * bitgrove::kMaxScanWords;
    Fenced<std::uint8_t> rows(bytes, true);
    std::fill_n(rows.data(), bytes, std::uint8_t{255});
    const Case c{bytes, 1, 1, rows.data(), std::vector<std::uint64_t>(bytes / 8), {0xffffffff}, 7};
    for (const auto& level : available()) {
        CHECK(c.found(level.hamming_scan)[0][0] == (std::uint64_t{8 * bytes} << 32 | 7));
    }
}

// More rows than are turned at once.
void long_blocks_are_cut() {
    Random random(3);
    for (const std::size_t bytes : {8, 12, 16, 32}) agree(random, bytes, 2500, 6);
    agree(random, 16, 4500, 5);
}

void no_rows_and_no_queries_find_nothing() {
    for (const auto& level : available()) {
        level.hamming_scan({nullptr, 8, 0, 0, nullptr, 0, nullptr, nullptr});
        std::uint64_t query = 0, *end = &query;
        const std::uint32_t limit = 64;
        level.hamming_scan({nullptr, 8, 0, 0, &query, 1, &limit, &end});
        CHECK(end == &query && query == 0);
    }
}

constexpr Test kTests[] = {
    {"hamming scan: every level finds the rows that counting bits finds",
     every_level_finds_the_rows_that_counting_bits_finds},
    {"hamming scan: the longest rows are counted in full", the_longest_rows_are_counted_in_full},
    {"hamming scan: long blocks are cut", long_blocks_are_cut},
    {"hamming scan: no rows and no queries find nothing", no_rows_and_no_queries_find_nothing},
};

}  // namespace

std::span<const Test> hamming_scan_tests() {
    return kTests;
}
