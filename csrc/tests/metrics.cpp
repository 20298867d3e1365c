#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "../dispatch/table.hpp"
#include "../graph/random.hpp"
#include "../metrics/average_precision.hpp"
#include "../metrics/random_order.hpp"
#include "../metrics/slices.hpp"
#include "check.hpp"

namespace {

using namespace bitgrove;
using namespace bitgrove::metrics;
using graph::Random;

struct Database {
    std::size_t n, bytes;
    std::vector<std::uint8_t> codes;
};

Database random_database(Random& random, std::size_t n, std::size_t bytes) {
    Database made{n, bytes, std::vector<std::uint8_t>(n * bytes)};
    for (auto& byte : made.codes) byte = static_cast<std::uint8_t>(random.below(256));
    return made;
}

void slices_count_rows_of_any_number_for_any_threads() {
    Random random(1);
    for (const std::size_t bytes : {1, 3, 8, 17}) {
        for (const std::size_t n : {1, 511, 512, 513, 9000}) {
            const Database rows = random_database(random, n, bytes);
            const Database asked = random_database(random, 37, bytes);
            const Slices slices(rows.codes.data(), n, bytes);
            std::vector<std::uint64_t> masks(2 * slices.words());
            for (std::size_t i = 0; i < n; ++i) {
                masks[i / 64] |= std::uint64_t{random.below(3) == 0} << i % 64;
                masks[slices.words() + i / 64] |= std::uint64_t{i < 700} << i % 64;
            }
            std::vector<std::uint32_t> mask_of(asked.n);
            for (std::size_t q = 0; q < asked.n; ++q) mask_of[q] = q % 2;
            const std::size_t distances = 8 * bytes + 1;
            std::vector<std::uint32_t> expected[2];
            for (auto& counts : expected) counts.resize(asked.n * distances);
            for (std::size_t q = 0; q < asked.n; ++q) {
                for (std::size_t i = 0; i < n; ++i) {
                    std::size_t d = 0;
                    for (std::size_t j = 0; j < bytes; ++j) {
                        const unsigned differ =
                            asked.codes[q * bytes + j] ^ rows.codes[i * bytes + j];
                        d += static_cast<std::size_t>(std::popcount(differ));
                    }
                    const std::uint64_t word = masks[mask_of[q] * slices.words() + i / 64];
                    ++expected[word >> i % 64 & 1][q * distances + d];
                }
            }
            for (const std::size_t threads : {1, 3}) {
                std::vector<std::uint32_t> others(asked.n * distances, 99), relevant = others;
                slices.count({asked.codes.data(), asked.n, masks.data(), 2, mask_of.data(),
                              others.data(), relevant.data()},
                             active(), threads);
                CHECK(others == expected[0]);
                CHECK(relevant == expected[1]);
            }
        }
    }
}

template <typename Call>
bool refused(Call call) {
    try {
        call();
    } catch (const std::invalid_argument&) {
        return true;
    }
    return false;
}

void what_would_be_read_past_the_end_is_refused() {
    const std::uint8_t codes[6] = {};
    CHECK(refused([&] { Slices(codes, 0, 1); }));
    CHECK(refused([&] { Slices(codes, 6, 0); }));
    CHECK(refused([&] { Slices(codes, 1, kMaxCountBytes + 1); }));
    const Slices slices(codes, 6, 1);
    std::vector<std::uint64_t> mask(slices.words());
    std::uint32_t others[9], relevant[9], mask_of = 1;
    const auto count = [&] {
        slices.count({codes, 1, mask.data(), 1, &mask_of, others, relevant}, active(), 1);
    };
    CHECK(refused(count));  // no second mask
    mask_of = 0;
    CHECK(!refused(count) && others[0] == 6);
    mask[0] = 1 << 6;  // a row that is not there
    CHECK(refused(count));
}

bool near(double a, double b) {
    return std::abs(a - b) < 1e-14;
}

void a_tied_pair_is_ranked_both_ways() {
    const std::uint32_t others[] = {1, 1}, relevant[] = {0, 1};  // one of no use, then one of each
    const auto score = [&](Form form, Ties ties, Divisor divisor, std::size_t at) {
        return AveragePrecision({form, ties, divisor, at}).of(others, relevant, 2);
    };
    constexpr Divisor hits = Divisor::hits;
    CHECK(near(score(Form::rectangle, Ties::expected, hits, 0).value, (1 / 2.0 + 1 / 3.0) / 2));
    CHECK(near(score(Form::rectangle, Ties::optimistic, hits, 0).value, 1 / 2.0));
    CHECK(near(score(Form::rectangle, Ties::pessimistic, hits, 0).value, 1 / 3.0));
    CHECK(near(score(Form::trapezoid, Ties::expected, hits, 0).value, (1 / 4.0 + 1 / 6.0) / 2));
    CHECK(near(score(Form::interp21, Ties::optimistic, hits, 0).value, 1 / 2.0));
    const Score cut = score(Form::rectangle, Ties::expected, hits, 2);
    CHECK(near(cut.value, 1 / 4.0) && near(cut.defined, 1 / 2.0));
    CHECK(score(Form::rectangle, Ties::expected, hits, 1).defined == 0);
    CHECK(near(score(Form::rectangle, Ties::expected, Divisor::relevant, 2).value, 1 / 4.0));
    CHECK(refused([&] { score(Form::interp21, Ties::expected, hits, 0); }));
    CHECK(AveragePrecision({Form::rectangle, Ties::expected, hits, 0})
              .of(others, others, 0)
              .defined == 0);
}

// Places of two relevant rows among four, no two pairs of which are worth as much; within five
// standard deviations.
void every_order_of_a_tie_is_drawn_as_often() {
    constexpr std::size_t draws = 60'000;
    const std::uint32_t others[] = {2}, relevant[] = {2}, few[] = {1}, many[] = {70};
    std::vector<double> values(draws);
    RandomOrder({Form::rectangle, Ties::expected, Divisor::hits, 0})
        .draw(others, relevant, 1, 7, 3, values.data(), draws);
    for (double first = 1; first <= 4; ++first) {
        for (double second = first + 1; second <= 4; ++second) {
            const double value = (1 / first + 2 / second) / 2;
            std::size_t seen = 0;
            for (const double drawn : values) seen += near(drawn, value);
            CHECK(std::abs(static_cast<double>(seen) - draws / 6.0) < 5 * 91);
        }
    }
    // Nearly all of 71 rows are relevant: the one that is not is drawn.
    RandomOrder({Form::rectangle, Ties::expected, Divisor::hits, 1})
        .draw(few, many, 1, 7, 3, values.data(), draws);
    std::size_t nothing = 0;
    for (const double drawn : values) nothing += std::isnan(drawn);
    CHECK(std::abs(static_cast<double>(nothing) - draws / 71.0) < 5 * 29);
}

constexpr Test kTests[] = {
    {"metrics: slices count rows of any number for any threads",
     slices_count_rows_of_any_number_for_any_threads},
    {"metrics: what would be read past the end is refused",
     what_would_be_read_past_the_end_is_refused},
    {"metrics: a tied pair is ranked both ways", a_tied_pair_is_ranked_both_ways},
    {"metrics: every order of a tie is drawn as often", every_order_of_a_tie_is_drawn_as_often},
};

}  // namespace

std::span<const Test> metrics_tests() {
    return kTests;
}
