// The graph core on random rows: built, grown, searched, restored, from several threads.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "../graph/build/traverse_add.hpp"
#include "../graph/index.hpp"
#include "../graph/random.hpp"
#include "../graph/walk/entries.hpp"
#include "check.hpp"

namespace {

using namespace bitgrove::graph;

constexpr struct {
    Metric metric;
    Dtype dtype;
} kFormats[] = {
    {Metric::l2, Dtype::f32}, {Metric::l2, Dtype::f16}, {Metric::l2, Dtype::u8},
    {Metric::ip, Dtype::f32}, {Metric::ip, Dtype::u8},  {Metric::hamming, Dtype::bits},
};

// Elements from a small set, so that there are ties and duplicates.
std::vector<std::uint8_t> random_rows(const Format& format, std::size_t count, std::uint64_t seed) {
    Random random(seed);
    std::vector<std::uint8_t> rows(count * format.row_bytes);
    for (std::size_t r = 0; r < count; ++r) {
        std::uint8_t* row = rows.data() + r * format.row_bytes;
        for (std::size_t i = 0; i < format.dim; ++i) {
            const std::uint32_t value = random.below(4);
            if (format.dtype == Dtype::f32) {
                reinterpret_cast<float*>(row)[i] = static_cast<float>(value) - 1.5f;
            } else if (format.dtype == Dtype::f16) {
                reinterpret_cast<std::uint16_t*>(row)[i] = static_cast<std::uint16_t>(value << 13);
            } else if (format.dtype == Dtype::u8) {
                row[i] = static_cast<std::uint8_t>(80 * value);
            } else {
                row[i / 8] |= static_cast<std::uint8_t>((value & 1) << (7 - i % 8));
            }
        }
    }
    return rows;
}

struct Result {
    std::vector<float> distances;
    std::vector<std::int64_t> ids;

    Result(std::size_t count, std::size_t k) : distances(count * k), ids(count * k) {}
    bool operator==(const Result&) const = default;
};

Result exact(const Index& index, const std::vector<std::uint8_t>& queries, std::size_t k) {
    const std::size_t count = queries.size() / index.format().row_bytes;
    Result result(count, k);
    index.search_all({queries.data(), count, k, 2, result.distances.data(), result.ids.data()},
                     nullptr);
    return result;
}

Result search(const FanngIndex& index, const std::vector<std::uint8_t>& queries, std::size_t k,
              std::size_t width, std::size_t threads, std::size_t interleave = 1) {
    const std::size_t count = queries.size() / index.format().row_bytes;
    Result result(count, k);
    FanngIndex::Asked asked;
    asked.width = width;
    asked.interleave = interleave;
    index.search({queries.data(), count, k, threads, result.distances.data(), result.ids.data()},
                 asked, nullptr);
    return result;
}

Result backtrack(const FanngIndex& index, const std::vector<std::uint8_t>& queries, std::size_t k,
                 std::size_t budget, std::size_t threads) {
    const std::size_t count = queries.size() / index.format().row_bytes;
    Result result(count, k);
    index.backtrack({queries.data(), count, k, threads, result.distances.data(), result.ids.data()},
                    budget, index.max_degree(), nullptr, nullptr);
    return result;
}

template <typename T>
bool same_elements(const T* a, const T* b, std::size_t count) {
    return std::equal(a, a + count, b);
}

bool same(const FanngIndex& first, const FanngIndex& second) {
    const FanngIndex::State a = first.state(), b = second.state();
    const std::size_t count = a.rows.count;
    return b.rows.count == count &&
           same_elements(a.rows.data.get(), b.rows.data.get(), count * first.format().row_bytes) &&
           same_elements(a.rows.ids.get(), b.rows.ids.get(), count) && a.next_id == b.next_id &&
           a.edges == b.edges && a.vertices == b.vertices && a.low == b.low && a.step == b.step &&
           a.lift_places == b.lift_places && a.exact == b.exact && a.codes == b.codes &&
           a.start == b.start && a.squared_bound == b.squared_bound && a.checked == b.checked;
}

template <typename T>
Block<T> block_of(const T* data, std::size_t count) {
    Block<T> block = allocate_block<T>(count);
    std::copy_n(data, count, block.get());
    return block;
}

Stored stored_of(const FanngIndex::State& state) {
    Stored stored;
    stored.edges = block_of(state.edges.data(), state.edges.size());
    stored.vertices = state.vertices;
    if (!state.low.empty()) {
        stored.coder.emplace();
        stored.coder->low = state.low;
        stored.coder->step = state.step;
        stored.coder->lift_places = state.lift_places;
        stored.coder->exact = state.exact;
        stored.codes = block_of(state.codes.data(), state.codes.size());
    }
    stored.start = state.start;
    stored.squared_bound = state.squared_bound;
    stored.checked = state.checked;
    return stored;
}

// The rows of the state, with the graph that is given.
void restore(FanngIndex& index, const FanngIndex::State& state, Stored stored, bool verify) {
    const std::size_t count = state.rows.count;
    index.restore(block_of(state.rows.data.get(), count * index.format().row_bytes),
                  block_of(state.rows.ids.get(), count), count, state.next_id, std::move(stored),
                  verify);
}

void with_the_whole_budget_it_is_exact() {
    for (const auto& [metric, dtype] : kFormats) {
        const Format format = Format::of(metric, dtype, 11);
        const auto first = random_rows(format, 600, 1), later = random_rows(format, 150, 2);
        FanngIndex index(format, 12);
        index.add(first.data(), 600, nullptr, 2, nullptr);
        BuildOptions options;
        options.threads = 2;
        index.build(options, nullptr);
        for (std::size_t r = 0; r < 150; r += 50) {
            index.add(later.data() + r * format.row_bytes, 50, nullptr, 2, nullptr);
        }
        const auto queries = random_rows(format, 40, 3);
        const Result expected = exact(index, queries, 9);
        CHECK(search(index, queries, 9, 750, 1) == expected);
        CHECK(search(index, queries, 9, 750, 3) == expected);
        CHECK(search(index, queries, 9, 750, 2, 3) == expected);
        CHECK(backtrack(index, queries, 9, 750, 2) == expected);
    }
}

void threads_change_nothing() {
    for (const auto& [metric, dtype] : kFormats) {
        const Format format = Format::of(metric, dtype, 16);
        const auto rows = random_rows(format, 1500, 5);
        FanngIndex first(format, 10);
        for (const std::size_t threads : {1, 2, 3, 5}) {
            FanngIndex other(format, 10);
            FanngIndex& index = threads == 1 ? first : other;
            index.add(rows.data(), 1400, nullptr, threads, nullptr);
            BuildOptions options;
            options.threads = threads;
            index.build(options, nullptr);
            index.add(rows.data() + 1400 * format.row_bytes, 100, nullptr, threads, nullptr);
            CHECK(same(index, first));
        }
    }
}

void a_restored_graph_is_the_same_and_grows_the_same() {
    for (const auto& [metric, dtype] : kFormats) {
        const Format format = Format::of(metric, dtype, 6);
        const auto rows = random_rows(format, 300, 7), later = random_rows(format, 40, 8);
        FanngIndex index(format, 8), again(format, 8);
        index.add(rows.data(), 300, nullptr, 1, nullptr);
        index.build({}, nullptr);
        const FanngIndex::State state = index.state();
        restore(again, state, stored_of(state), true);
        CHECK(same(again, index));
        index.add(later.data(), 40, nullptr, 1, nullptr);
        again.add(later.data(), 40, nullptr, 1, nullptr);
        CHECK(same(again, index));
    }
}

void forged_edges_are_refused_or_harmless() {
    const Format format = Format::of(Metric::l2, Dtype::u8, 5);
    const auto rows = random_rows(format, 200, 9);
    FanngIndex index(format, 8);
    index.add(rows.data(), 200, nullptr, 1, nullptr);
    index.build({}, nullptr);
    const FanngIndex::State good = index.state();
    Random random(4);
    std::size_t refused = 0;
    for (int i = 0; i < 500; ++i) {
        FanngIndex::State bad = good;
        for (std::uint32_t n = random.below(20) + 1; n > 0; --n) {
            Row& end = bad.edges[random.below(static_cast<std::uint32_t>(bad.edges.size()))];
            end = random.below(2) ? random.below(250) : static_cast<Row>(random.next());
        }
        FanngIndex checked(format, 8), unchecked(format, 8);
        try {
            restore(checked, bad, stored_of(bad), true);
        } catch (const std::invalid_argument&) {
            ++refused;
        }
        restore(unchecked, bad, stored_of(bad), false);
        search(unchecked, rows, 3, 100, 1);
        search(unchecked, rows, 3, 200, 2);
        backtrack(unchecked, rows, 3, 200, 1);
    }
    CHECK(refused > 400);
}

void a_width_beyond_memory_is_no_wider_than_the_rows() {
    const Format format = Format::of(Metric::l2, Dtype::f32, 4);
    const auto rows = random_rows(format, 90, 21);
    FanngIndex index(format, 8);
    index.add(rows.data(), 90, nullptr, 1, nullptr);
    BuildOptions options;
    options.width = std::size_t{1} << 60;
    index.build(options, nullptr);
    CHECK(search(index, rows, 3, std::size_t{1} << 60, 1) == exact(index, rows, 3));
}

void traverse_add_makes_walks_succeed() {
    const Format format = Format::of(Metric::l2, Dtype::f32, 8);
    const std::size_t count = 400;
    const auto data = random_rows(format, count, 11);
    Rows rows(format);
    rows.append(data.data(), count, nullptr);
    const Pairs key(rows, nullptr);
    GrowingEdges graph(count);
    TraverseAdd<Pairs> traverse_add(graph, key);
    Random random(3);
    std::size_t early = 0, late = 0, mended = 0, failed = 0;
    for (std::size_t call = 0; call < 40 * count; ++call) {
        const Row a = random.below(count), b = random.below(count);
        if (a == b) continue;
        const bool succeeded = traverse_add(a, b);
        failed += !succeeded;
        early += succeeded && call < count;
        late += succeeded && call >= 39 * count;
        if (!succeeded) mended += downhill(graph, a, b, key) == b;
    }
    CHECK(early < count / 2);
    CHECK(mended > failed * 95 / 100);  // what follows from an edge may undo a walk, rarely
    CHECK(late > count * 9 / 10);
    for (std::size_t p = 0; p < count; ++p) {  // eq. 1 holds between all edges of a row
        const auto edges = graph.of(static_cast<Row>(p));
        CHECK(std::is_sorted(edges.begin(), edges.end()));
        for (std::size_t i = 0; i < edges.size(); ++i) {
            for (std::size_t j = i + 1; j < edges.size(); ++j) {
                CHECK(!occludes(static_cast<Row>(p), row_of(edges[i]), edges[j], key));
            }
        }
    }
}

void searches_and_changes_run_side_by_side() {
    const Format format = Format::of(Metric::l2, Dtype::u8, 8);
    const auto rows = random_rows(format, 500, 13);
    FanngIndex index(format, 10);
    index.add(rows.data(), 250, nullptr, 2, nullptr);
    index.build({}, nullptr);
    std::atomic<bool> stop{false};
    std::vector<std::thread> askers;
    for (int t = 0; t < 3; ++t) {
        askers.emplace_back([&] {
            while (!stop) {
                const Result found = search(index, rows, 2, 100, 2, 2);
                CHECK(found.distances[0] == 0);
                CHECK(index.rows().count >= 250);
            }
        });
    }
    for (std::size_t r = 250; r < 500; r += 10) {
        index.add(rows.data() + r * format.row_bytes, 10, nullptr, 2, nullptr);
    }
    index.build({}, nullptr);
    stop = true;
    for (std::thread& asker : askers) asker.join();
    CHECK(index.size() == 500);
}

void a_tick_that_throws_stops_all_threads() {
    const Format format = Format::of(Metric::l2, Dtype::f32, 8);
    const auto rows = random_rows(format, 1500, 17);
    FanngIndex index(format, 10);
    index.add(rows.data(), 1500, nullptr, 2, nullptr);
    BuildOptions options;
    options.threads = 3;
    bool thrown = false;
    try {
        index.build(options, [](std::size_t, std::size_t, const char* stage) {
            if (stage[0] == 'c') throw std::runtime_error("enough");
        });
    } catch (const std::runtime_error&) {
        thrown = true;
    }
    CHECK(thrown && !index.built());
    index.build(options, nullptr);
    CHECK(index.built());
}

void walks_begin_at_the_nearest_of_spread_vertices() {
    const Format format = Format::of(Metric::l2, Dtype::f32, 8);
    Rows rows(format);
    const auto elements = random_rows(format, 3000, 5);  // with twins
    rows.append(elements.data(), 3000, nullptr);
    const Graph graph = build_graph(rows, 12, {}, nullptr);
    const std::vector<Row> entries = entries_of(graph, 3000);
    CHECK(entries.size() > 3 && entries.size() <= 1 + 3000 / entry_stride(3000));
    CHECK(entries.front() == graph.start);
    for (const Row row : entries) CHECK(graph.twins.is_vertex(row));
    // Few more rows leave most of them as they were.
    CHECK(entry_stride(3001) == entry_stride(3000));

    const Measure measure = graph.measure(rows);
    std::vector<Key> keys;
    for (Row v = 0; v < 3000; v += 7) {
        const auto [nearest, start] =
            begin_near(entries, keys, [&](const Row* ends, std::size_t count, Key* lengths) {
                measure.from(v, ends, count, lengths);
            });
        CHECK(start == graph.start);
        for (const Row row : entries) CHECK(measure(v, nearest) <= measure(v, row));
    }
    CHECK(entries_of(Graph(12), 0).empty());
}

constexpr Test kTests[] = {
    {"graph: walks begin at the nearest of spread vertices",
     walks_begin_at_the_nearest_of_spread_vertices},
    {"graph: with the whole budget it is exact", with_the_whole_budget_it_is_exact},
    {"graph: threads change nothing", threads_change_nothing},
    {"graph: a restored graph is the same and grows the same",
     a_restored_graph_is_the_same_and_grows_the_same},
    {"graph: forged edges are refused or harmless", forged_edges_are_refused_or_harmless},
    {"graph: a width beyond memory is no wider than the rows",
     a_width_beyond_memory_is_no_wider_than_the_rows},
    {"graph: traverse-add makes walks succeed", traverse_add_makes_walks_succeed},
    {"graph: searches and changes run side by side", searches_and_changes_run_side_by_side},
    {"graph: a tick that throws stops all threads", a_tick_that_throws_stops_all_threads},
};

}  // namespace

std::span<const Test> graph_tests() {
    return kTests;
}
