// Rows come and go beside searches.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

#include "../graph/index.hpp"
#include "../graph/random.hpp"
#include "check.hpp"

namespace {

using namespace bitgrove::graph;

constexpr std::size_t kDim = 8;

std::vector<std::uint8_t> random_rows(std::size_t count, std::uint64_t seed) {
    Random random(seed);
    std::vector<std::uint8_t> rows(count * kDim * sizeof(float));
    for (std::size_t i = 0; i < count * kDim; ++i) {
        const float value = static_cast<float>(random.below(1000)) - 500;
        std::memcpy(rows.data() + i * sizeof value, &value, sizeof value);
    }
    return rows;
}

struct Result {
    std::vector<float> distances;
    std::vector<std::int64_t> ids;

    Result(std::size_t count, std::size_t k) : distances(count * k), ids(count * k) {}
    Queries queries(const std::uint8_t* rows, std::size_t k, std::size_t threads) {
        return {rows, ids.size() / k, k, threads, distances.data(), ids.data()};
    }
    bool operator==(const Result&) const = default;
};

Result search(const FanngIndex& index, const std::uint8_t* rows, std::size_t count, std::size_t k,
              std::size_t width, std::size_t threads) {
    Result result(count, k);
    FanngIndex::Asked asked;
    asked.width = width;
    index.search(result.queries(rows, k, threads), asked, nullptr);
    return result;
}

std::vector<std::int64_t> numbers(std::size_t from, std::size_t until) {
    std::vector<std::int64_t> ids(until - from);
    std::iota(ids.begin(), ids.end(), static_cast<std::int64_t>(from));
    return ids;
}

void build(FanngIndex& index, const std::vector<std::uint8_t>& rows, std::size_t count) {
    index.add(rows.data(), count, nullptr, 1, nullptr);
    index.build({}, nullptr);
}

const Format kFormat = Format::of(Metric::l2, Dtype::f32, kDim);

void what_is_left_is_found_exactly() {
    const auto rows = random_rows(1200, 1), queries = random_rows(30, 2);
    FanngIndex index(kFormat, 12);
    build(index, rows, 1200);
    for (std::size_t first = 0; first < 1000; first += 50) {
        const auto ids = numbers(first, first + 50);
        index.remove(ids.data(), ids.size(), 2);
        Result expected(30, 9);
        index.search_all(expected.queries(queries.data(), 9, 1), nullptr);
        CHECK(search(index, queries.data(), 30, 9, 1200, 2) == expected);
        CHECK(*std::min_element(expected.ids.begin(), expected.ids.end()) >=
              static_cast<std::int64_t>(first + 50));
    }
    CHECK(index.size() == 200);
    index.remove(nullptr, 0, 1);
    CHECK(index.state().rows.count == 200);
}

void threads_change_nothing() {
    const auto rows = random_rows(1500, 3);
    std::optional<FanngIndex::State> first;
    for (const std::size_t threads : {1, 4}) {
        FanngIndex index(kFormat, 10);
        build(index, rows, 1000);
        const auto gone = numbers(100, 400), changed = numbers(500, 700);
        index.remove(gone.data(), gone.size(), threads);
        index.update(rows.data() + 1000 * kFormat.row_bytes, changed.size(), changed.data(),
                     threads, nullptr);
        index.add(rows.data() + 1200 * kFormat.row_bytes, 300, nullptr, threads, nullptr);
        index.remove(nullptr, 0, threads);
        const FanngIndex::State state = index.state();
        CHECK(state.rows.count == 1000);
        if (first) {
            CHECK(state.edges == first->edges && state.codes == first->codes &&
                  state.start == first->start && state.checked == first->checked);
        }
        first = state;
    }
}

void what_is_refused_changes_nothing() {
    const auto rows = random_rows(300, 5);
    FanngIndex index(kFormat, 10);
    build(index, rows, 200);
    const std::int64_t missing[] = {4, 900}, twice[] = {4, 7, 4};
    std::size_t refused = 0;
    const auto refuses = [&](const auto& change) {
        try {
            change();
        } catch (const std::invalid_argument&) {
            ++refused;
        }
    };
    refuses([&] { index.remove(missing, 2, 1); });
    refuses([&] { index.remove(twice, 3, 1); });
    refuses([&] { index.update(rows.data(), 2, missing, 1, nullptr); });
    refuses([&] { index.update(rows.data(), 3, twice, 1, nullptr); });
    refuses([&] { index.add(rows.data(), 2, missing, 1, nullptr); });
    CHECK(refused == 5);
    CHECK(index.size() == 200 && !index.untidy());
}

void a_radius_holds_what_it_says() {
    const auto rows = random_rows(800, 7), queries = random_rows(10, 8);
    FanngIndex index(kFormat, 12);
    build(index, rows, 800);
    const auto gone = numbers(0, 30);
    index.remove(gone.data(), gone.size(), 1);
    const Queries asked{queries.data(), 10, 1, 2, nullptr, nullptr};
    FanngIndex::Asked all;
    all.width = 800;
    for (const float radius : {0.0f, 3e5f, 6e5f, 1e9f}) {
        const RangeResult found = index.range(asked, radius, all, nullptr);
        const RangeResult expected = index.range_all(asked, radius, nullptr);
        CHECK(found.ids == expected.ids && found.limits == expected.limits);
        CHECK(radius < 1e9f || found.ids.size() == 7700);
    }
}

// Every search sees each row once, old or new, whatever is going on.
void searches_and_changes_run_side_by_side() {
    const auto rows = random_rows(1200, 9);
    FanngIndex index(kFormat, 10);
    build(index, rows, 400);
    std::atomic<bool> stop{false};
    std::vector<std::thread> askers;
    for (int t = 0; t < 2; ++t) {
        askers.emplace_back([&, t] {
            while (!stop) {
                const Result found = search(index, rows.data(), 20, 1, 32, 1 + t);
                for (std::size_t q = 0; q < 20; ++q) {
                    CHECK(found.ids[q] == static_cast<std::int64_t>(q));
                }
                CHECK(index.rows().count >= 300);
                const Queries all{rows.data(), 3, 1, 1, nullptr, nullptr};
                CHECK(index.range(all, 1.0f, {}, nullptr).ids.size() == 3);
            }
        });
    }
    std::thread changer([&] {
        for (int round = 0; round < 3; ++round) {
            const auto ids = numbers(300, 400);
            index.update(rows.data() + (400 + 100 * round) * kFormat.row_bytes, 100, ids.data(), 2,
                         nullptr);
            index.untidy();
        }
    });
    for (std::size_t r = 0; r < 200; r += 50) {
        index.add(rows.data() + (1000 + r) * kFormat.row_bytes, 50, nullptr, 2, nullptr);
        const auto ids = numbers(400 + r, 400 + r + 40);
        index.remove(ids.data(), ids.size(), 2);
    }
    BuildOptions options;
    options.threads = 2;
    index.build(options, nullptr);
    changer.join();
    stop = true;
    for (std::thread& asker : askers) asker.join();
    CHECK(index.size() == 440);
}

constexpr Test kTests[] = {
    {"graph: what is left after removals is found exactly", what_is_left_is_found_exactly},
    {"graph: threads change nothing in removals", threads_change_nothing},
    {"graph: what is refused changes nothing", what_is_refused_changes_nothing},
    {"graph: a radius holds what it says", a_radius_holds_what_it_says},
    {"graph: searches go on beside all changes", searches_and_changes_run_side_by_side},
};

}  // namespace

std::span<const Test> graph_life_tests() {
    return kTests;
}
