// Random ferns on rows and tables that end where the memory ends.
#include "bitgrove/ferns.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "../dispatch/table.hpp"
#include "../graph/random.hpp"
#include "../runtime/aligned.hpp"
#include "../runtime/fern_rows.hpp"
#include "check.hpp"
#include "fenced.hpp"

namespace {

using namespace bitgrove::runtime;
using bitgrove::available;
using bitgrove::kFernGroup;
using bitgrove::graph::Random;

template <typename T>
struct Asked {
    std::size_t features, ferns, depth;
    std::vector<std::int32_t> first, second;
    std::vector<T> threshold;

    FernQuestions<T> questions() const { return {features, depth, first, second, threshold}; }

    // Question by question.
    std::uint16_t leaf(const T* row, std::size_t fern) const {
        unsigned number = 0;
        for (std::size_t k = 0; k < depth; ++k) {
            const std::size_t at = fern * depth + k;
            const auto column = static_cast<std::size_t>(first[at]);
            const T other = second.empty() ? threshold[at] : row[second[at]];
            if (row[column] > other) number |= 1u << k;
        }
        return static_cast<std::uint16_t>(number);
    }
};

template <typename T>
Asked<T> asked(Random& random, std::size_t features, std::size_t ferns, std::size_t depth,
               bool pairs) {
    Asked<T> made{features, ferns, depth, {}, {}, {}};
    for (std::size_t i = 0; i < ferns * depth; ++i) {
        made.first.push_back(static_cast<std::int32_t>(random.below(features)));
        if (pairs) made.second.push_back(static_cast<std::int32_t>(random.below(features)));
        if (!pairs) made.threshold.push_back(static_cast<T>(random.below(16)));
    }
    return made;
}

template <typename T>
void agree_on_leaves(Random& random, std::size_t n, const Asked<T>& made, bool at_end) {
    Fenced<T> rows(n * made.features, at_end);
    for (std::size_t i = 0; i < rows.size(); ++i) rows.data()[i] = static_cast<T>(random.below(16));
    const FernQuestions<T> questions = made.questions();
    const std::size_t room = whole_blocks(n);
    const Aligned scratch = allocate(questions.scratch_bytes());
    for (const auto& level : available()) {
        std::vector<std::uint16_t> found(made.ferns * room);
        questions.leaves(*level.ferns, rows.data(), made.features, n, scratch.get(), found.data(),
                         room);
        for (std::size_t f = 0; f < made.ferns; ++f) {
            for (std::size_t r = 0; r < n; ++r) {
                CHECK(found[f * room + r] == made.leaf(rows.data() + r * made.features, f));
            }
        }
    }
}

void every_level_finds_the_leaves_that_the_questions_say() {
    Random random(1);
    for (const std::size_t n : {1, 5, 6, 15, 16, 17, 64, 65, 130}) {
        for (const std::size_t features : {1, 3, 15, 16, 17, 50}) {
            const std::size_t ferns = 1 + random.below(5), depth = 1 + random.below(16);
            for (const bool pairs : {false, true}) {
                for (const bool at_end : {false, true}) {
                    agree_on_leaves(random, n, asked<float>(random, features, ferns, depth, pairs),
                                    at_end);
                    agree_on_leaves(random, n,
                                    asked<std::uint8_t>(random, features, ferns, depth, pairs),
                                    at_end);
                }
            }
        }
    }
}

template <typename Leaf>
void agree_on_votes(Random& random, std::size_t rows, std::size_t ferns, std::size_t depth,
                    std::size_t width, bool at_end) {
    Fenced<Leaf> table((ferns << depth) * width, at_end);
    for (std::size_t i = 0; i < table.size(); ++i) {
        const int number = static_cast<int>(random.below(255)) - 127;
        table.data()[i] = static_cast<Leaf>(number);
        if constexpr (sizeof(Leaf) > 1) table.data()[i] /= 7;
    }
    Fenced<std::uint16_t> leaves(ferns * rows, at_end);
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        leaves.data()[i] = static_cast<std::uint16_t>(random.below(std::size_t{1} << depth));
    }
    std::vector<FernSum<Leaf>> expected(rows * width, 3);
    for (std::size_t f = 0; f < ferns; ++f) {
        for (std::size_t r = 0; r < rows; ++r) {
            for (std::size_t c = 0; c < width; ++c) {
                const std::size_t leaf = f << depth | leaves.data()[f * rows + r];
                expected[r * width + c] += table.data()[leaf * width + c];
            }
        }
    }
    for (const auto& level : available()) {
        Fenced<FernSum<Leaf>> sums(rows * width, at_end);
        std::fill_n(sums.data(), sums.size(), FernSum<Leaf>{3});
        add_votes(*level.ferns,
                  {leaves.data(), rows, ferns, depth, rows, table.data(), width, sums.data()});
        CHECK(std::equal(expected.begin(), expected.end(), sums.data()));
    }
}

void every_level_adds_the_same_rows_of_the_table_in_the_same_order() {
    Random random(2);
    for (const std::size_t rows : {1, 7, 8, 9, 16, 33}) {
        for (const std::size_t width : {std::size_t{1}, kFernGroup, 3 * kFernGroup}) {
            for (const std::size_t depth : {1, 5, 9}) {
                const std::size_t ferns = 1 + random.below(20);
                for (const bool at_end : {false, true}) {
                    agree_on_votes<float>(random, rows, ferns, depth, width, at_end);
                    agree_on_votes<std::int8_t>(random, rows, ferns, depth, width, at_end);
                }
            }
        }
    }
}

constexpr Test kTests[] = {
    {"ferns: every level finds the leaves that the questions say",
     every_level_finds_the_leaves_that_the_questions_say},
    {"ferns: every level adds the same rows of the table in the same order",
     every_level_adds_the_same_rows_of_the_table_in_the_same_order},
};

}  // namespace

std::span<const Test> ferns_tests() {
    return kTests;
}
