// The bounds of rows of block codes, at every level, and the search over them.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "../dispatch/table.hpp"
#include "../graph/blocks/block_search.hpp"
#include "../graph/random.hpp"
#include "check.hpp"
#include "fenced.hpp"

namespace {

using namespace bitgrove;
using bitgrove::graph::Random;

std::vector<std::uint32_t> expected(const BlockScan& s) {
    std::vector<std::uint32_t> found;
    for (std::size_t r = 0; r < s.count * kBlockGroup; ++r) {
        std::uint32_t sum = 0;
        for (std::size_t m = 0; m < s.blocks; ++m) {
            const std::size_t at = (r / kBlockGroup * s.blocks + m) * kBlockGroup + r % kBlockGroup;
            sum += s.table[m * 256 + s.groups[at]];
        }
        if (sum >= s.least) found.push_back(static_cast<std::uint32_t>(s.first + r));
    }
    return found;
}

void every_level_appends_the_rows_that_adding_up_finds() {
    Random random(1);
    for (const std::size_t blocks : {1, 2, 7, 256}) {
        for (const std::size_t values : {1, 2, 16, 17, 64, 65, 128, 129, 256}) {
            for (const std::size_t count : {1, 4, 7}) {
                Fenced<std::uint8_t> groups(count * blocks * kBlockGroup, true);
                Fenced<std::uint8_t> table(blocks * 256, true);
                for (std::size_t i = 0; i < groups.size(); ++i) {
                    groups.data()[i] = static_cast<std::uint8_t>(random.below(values));
                }
                for (std::size_t i = 0; i < table.size(); ++i) {
                    table.data()[i] =
                        i % 256 < values ? static_cast<std::uint8_t>(random.below(256)) : 0;
                }
                const auto mean = static_cast<std::uint32_t>(blocks * 128);
                for (const std::uint32_t least : {0u, mean, mean + mean / 4, 65535u}) {
                    std::vector<std::uint32_t> room(count * kBlockGroup + 1);
                    const BlockScan s{groups.data(), count,        blocks, values,
                                      1000,          table.data(), least,  room.data()};
                    const auto wanted = expected(s);
                    for (const auto& level : available()) {
                        const std::uint32_t* end = level.block_scan(s);
                        CHECK(std::vector<std::uint32_t>(
                                  room.data(), const_cast<std::uint32_t*>(end)) == wanted);
                    }
                }
            }
        }
    }
}

void the_largest_sums_fit() {
    std::vector<std::uint8_t> groups(kMaxBlocks * kBlockGroup, 255), table(kMaxBlocks * 256, 255);
    std::vector<std::uint32_t> room(kBlockGroup + 1);
    for (const auto& level : available()) {
        const auto count = [&](std::uint32_t least) {
            return level.block_scan(
                       {groups.data(), 1, kMaxBlocks, 256, 0, table.data(), least, room.data()}) -
                   room.data();
        };
        CHECK(count(255 * kMaxBlocks) == kBlockGroup);
        CHECK(count(255 * kMaxBlocks + 1) == 0);
    }
}

void searches_equal_sorting_for_any_number_of_threads() {
    Random random(3);
    constexpr std::size_t count = 2500, blocks = 5, values = 40, queries = 19, k = 12;
    std::vector<std::uint8_t> codes(count * blocks);
    for (auto& code : codes) code = static_cast<std::uint8_t>(random.below(values));
    std::vector<std::int64_t> ids(count);
    for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<std::int64_t>(count - i);
    std::vector<float> asked(queries * blocks * values);
    for (auto& number : asked) number = static_cast<float>(random.below(50)) / 8 - 3;
    std::vector<std::uint8_t> groups((count + 63) / 64 * 64 * blocks);
    graph::group_blocks(codes.data(), count, blocks, groups.data());
    for (const std::size_t threads : {1, 3}) {
        std::vector<float> scores(queries * k);
        std::vector<std::int64_t> found(queries * k);
        graph::search_blocks({groups.data(), ids.data(), count, blocks, values},
                             {asked.data(), queries, k, threads, scores.data(), found.data()}, {});
        for (std::size_t q = 0; q < queries; ++q) {
            std::vector<std::pair<float, std::int64_t>> all;
            for (std::size_t r = 0; r < count; ++r) {
                float sum = 0;
                for (std::size_t m = 0; m < blocks; ++m) {
                    sum += asked[(q * blocks + m) * values + codes[r * blocks + m]];
                }
                all.emplace_back(-sum, ids[r]);
            }
            std::sort(all.begin(), all.end());
            for (std::size_t i = 0; i < k; ++i) {
                CHECK(scores[q * k + i] == -all[i].first && found[q * k + i] == all[i].second);
            }
        }
    }
}

constexpr Test kTests[] = {
    {"block scan: every level appends the rows that adding up finds",
     every_level_appends_the_rows_that_adding_up_finds},
    {"block scan: the largest sums fit", the_largest_sums_fit},
    {"block scan: searches equal sorting for any number of threads",
     searches_equal_sorting_for_any_number_of_threads},
};

}  // namespace

std::span<const Test> block_scan_tests() {
    return kTests;
}
