#include "bitgrove/hamming_counts.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "../dispatch/table.hpp"
#include "../graph/random.hpp"
#include "check.hpp"
#include "fenced.hpp"

namespace {

using namespace bitgrove;
using graph::Random;
using Counts = std::vector<std::uint32_t>;

constexpr std::uint32_t kBefore = 7;  // counts are added to

struct Case {
    std::size_t bytes, blocks;
    const std::uint64_t* planes;
    const std::uint64_t* mask;
    std::vector<std::uint64_t> flips;
    std::vector<std::uint8_t> kinds;

    bool bit(std::size_t block, std::size_t plane, std::size_t row) const {
        const std::uint64_t word =
            planes[((block * 8 * bytes + plane) * kCountWords) + row / 64] >> row % 64;
        return (word & 1) != 0;
    }
    // Bit by bit.
    void count(Counts& others, Counts& relevant) const {
        for (std::size_t b = 0; b < blocks; ++b) {
            for (std::size_t row = 0; row < kCountRows; ++row) {
                std::size_t distance = 0;
                for (std::size_t p = 0; p < 8 * bytes; ++p) {
                    distance += bit(b, p, row) != (flips[p] != 0);
                }
                const bool marked = mask[b * kCountWords + row / 64] >> row % 64 & 1;
                const bool right = kinds[b] == kAll || (kinds[b] == kSome && marked);
                ++(right ? relevant : others)[distance];
            }
        }
    }
};

void agree(Random& random, std::size_t bytes, std::size_t blocks, std::uint64_t kinds) {
    for (const bool at_end : {true, false}) {
        Fenced<std::uint64_t> planes(blocks * 8 * bytes * kCountWords, at_end);
        Fenced<std::uint64_t> mask(blocks * kCountWords, at_end);
        for (std::size_t i = 0; i < planes.size(); ++i) planes.data()[i] = random.next();
        for (std::size_t i = 0; i < mask.size(); ++i) mask.data()[i] = random.next();
        Case c{bytes, blocks, planes.data(), mask.data(), {}, {}};
        for (std::size_t p = 0; p < 8 * bytes; ++p) {
            c.flips.push_back(random.below(2) ? ~std::uint64_t{0} : 0);
            // One block where all bits differ, or none does: the rarest octaves.
            for (std::size_t w = 0; w < kCountWords; ++w) {
                planes.data()[p * kCountWords + w] = random.below(64) ? ~c.flips[p] : random.next();
            }
        }
        for (std::size_t b = 0; b < blocks; ++b) {
            c.kinds.push_back(static_cast<std::uint8_t>(kinds < 3 ? kinds : random.below(3)));
        }
        const Counts before(8 * bytes + 1, kBefore);
        Counts others = before, relevant = before;
        c.count(others, relevant);
        for (const auto& level : available()) {
            Fenced<std::uint64_t> sums(hamming_counts_scratch(bytes), at_end);
            std::fill_n(sums.data(), sums.size(), 99);
            Counts some = before, right = before;
            level.hamming_counts({c.planes, bytes, blocks, c.flips.data(), c.mask, c.kinds.data(),
                                  sums.data(), some.data(), right.data()});
            CHECK(some == others);
            CHECK(right == relevant);
        }
    }
}

void every_level_counts_what_counting_bits_counts() {
    Random random(1);
    for (const std::size_t bytes : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 31, 32, 63, 64}) {
        for (const std::size_t blocks : {1, 3}) {
            for (std::uint64_t kinds = 0; kinds < 4; ++kinds) agree(random, bytes, blocks, kinds);
        }
    }
}

void the_longest_rows_are_counted_in_full() {
    Random random(2);
    for (const std::size_t bytes : {127, 128, 513, 1024, 8192}) agree(random, bytes, 1, 1);
}

void no_rows_count_nothing() {
    const std::uint64_t flips[8] = {};
    std::uint64_t sums[hamming_counts_scratch(1)];
    Counts others(9, kBefore), relevant(9, kBefore);
    for (const auto& level : available()) {
        level.hamming_counts(
            {nullptr, 1, 0, flips, nullptr, nullptr, sums, others.data(), relevant.data()});
        CHECK(others == Counts(9, kBefore) && relevant == others);
    }
}

constexpr Test kTests[] = {
    {"hamming counts: every level counts what counting bits counts",
     every_level_counts_what_counting_bits_counts},
    {"hamming counts: the longest rows are counted in full", the_longest_rows_are_counted_in_full},
    {"hamming counts: no rows count nothing", no_rows_count_nothing},
};

}  // namespace

std::span<const Test> hamming_counts_tests() {
    return kTests;
}
