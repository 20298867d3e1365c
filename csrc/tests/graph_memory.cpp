// Memory that ends in the middle of a change, or a tick that stops it: nothing is left half done.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <span>
#include <stdexcept>
#include <vector>

#include "../graph/index.hpp"
#include "../graph/random.hpp"
#include "check.hpp"

namespace {

constexpr std::int64_t kEnough = std::numeric_limits<std::int64_t>::max();
std::atomic<std::int64_t> left_to_give{kEnough};  // allocations before the one that fails
std::atomic<bool> no_more{false};                 // and all after it

void* given(std::size_t bytes, std::size_t alignment) {
    if (left_to_give.load(std::memory_order_relaxed) != kEnough) {
        const std::int64_t left = left_to_give.fetch_sub(1);
        if (left == 0 || (left < 0 && no_more)) throw std::bad_alloc();
    }
    void* memory = nullptr;
    if (posix_memalign(&memory, std::max(alignment, sizeof(void*)), bytes) != 0) {
        throw std::bad_alloc();
    }
    return memory;
}

}  // namespace

void* operator new(std::size_t bytes) {
    return given(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return given(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    try {
        return given(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

namespace {

using namespace bitgrove::graph;

constexpr std::size_t kDim = 6, kHeld = 250;

// Whole numbers, so that some rows are equal; larger ones leave the range of the codes.
std::vector<std::uint8_t> rows_of(std::size_t count, std::uint64_t seed, float scale) {
    Random random(seed);
    std::vector<float> values(count * kDim);
    for (float& value : values) value = scale * static_cast<float>(random.below(8));
    for (std::size_t i = 0; i < count * kDim; i += 9 * kDim) {  // equal rows
        for (std::size_t d = 0; d < kDim; ++d) values[i + d] = scale * static_cast<float>(d);
    }
    std::vector<std::uint8_t> rows(values.size() * sizeof(float));
    std::memcpy(rows.data(), values.data(), rows.size());
    return rows;
}

// What an index holds and finds.
struct Content {
    std::vector<std::int64_t> ids, found;
    std::vector<float> distances;
    std::int64_t next_id = 0;
    bool operator==(const Content&) const = default;
};

Content content_of(const FanngIndex& index) {
    constexpr std::size_t kQueries = 12, kNearest = 20;
    const auto queries = rows_of(kQueries, 99, 1.3f);
    Content content{.ids = {},
                    .found = std::vector<std::int64_t>(kQueries * kNearest),
                    .distances = std::vector<float>(kQueries * kNearest),
                    .next_id = index.next_id()};
    const RowsView rows = index.rows();
    content.ids.assign(rows.ids.get(), rows.ids.get() + rows.count);
    std::sort(content.ids.begin(), content.ids.end());
    CHECK(content.ids.size() == index.size());
    const Queries asked{queries.data(),      kQueries, kNearest, 1, content.distances.data(),
                        content.found.data()};
    index.search_all(asked, nullptr);
    if (!index.built()) return content;
    Content walked = content;
    const Queries again{queries.data(),          kQueries,           kNearest, 1,
                        walked.distances.data(), walked.found.data()};
    FanngIndex::Asked all;
    all.width = kHeld + 1000;
    all.budget = 1 << 20;  // so that no scan makes up for what a walk does not find
    index.search(again, all, nullptr);
    CHECK(walked == content);
    return content;
}

// It is the same after a file.
void check_saved(FanngIndex& index, const Content& content) {
    if (index.untidy()) index.remove(nullptr, 0, 1);
    FanngIndex::State state = index.state();
    FanngIndex again(index.format(), index.max_degree());
    std::optional<Stored> stored;
    if (state.built) {
        const auto block = [](const auto& values) {
            using T = typename std::decay_t<decltype(values)>::value_type;
            auto copy = allocate_block<T>(values.size());
            std::copy(values.begin(), values.end(), copy.get());
            return copy;
        };
        stored.emplace();
        stored->edges = block(state.edges);
        stored->vertices = state.vertices;
        if (!state.low.empty()) {
            stored->coder = Coder{state.low, state.step, state.lift_places, state.exact};
            stored->codes = block(state.codes);
        }
        stored->start = state.start;
        stored->squared_bound = state.squared_bound;
        stored->checked = state.checked;
    }
    again.restore(std::const_pointer_cast<std::uint8_t[]>(state.rows.data),
                  std::const_pointer_cast<std::int64_t[]>(state.rows.ids), state.rows.count,
                  state.next_id, std::move(stored), true);
    CHECK(content_of(again) == content);
}

const auto kFirst = rows_of(kHeld, 1, 1), kLater = rows_of(90, 2, 1), kFar = rows_of(60, 3, 9);

void change(FanngIndex& index, int which, std::size_t threads, const Tick& tick) {
    std::vector<std::int64_t> ids;
    for (std::int64_t i = 0; i < 90; ++i) ids.push_back(2 * i);
    switch (which) {
        case 0:
            return index.add(kLater.data(), 12, nullptr, threads,
                             tick);  // few: only they are checked
        case 1:
            for (std::int64_t& id : ids) id += 5000;
            return index.add(kFar.data(), 60, ids.data(), threads, tick);
        case 2:
            return index.update(kLater.data(), 90, ids.data(), threads, tick);
        case 3:
            return index.update(kFar.data(), 60, ids.data() + 7, threads, tick);
        case 4:
            return index.remove(ids.data(), 20, threads);
        default:
            return index.remove(ids.data(), 90, threads);  // many: tidied at once
    }
}
constexpr int kChanges = 6;

struct Kind {
    Metric metric;
    bool built;
};
constexpr Kind kKinds[] = {{Metric::l2, true}, {Metric::ip, true}, {Metric::l2, false}};

void fill(FanngIndex& index, bool built) {
    index.add(kFirst.data(), kHeld, nullptr, 1, nullptr);
    if (built) index.build({}, nullptr);
}

void memory_may_end_at_any_moment() {
    std::size_t failures = 0;
    for (const Kind kind : kKinds) {
        const Format format = Format::of(kind.metric, Dtype::f32, kDim);
        for (int which = 0; which < kChanges; ++which) {
            FanngIndex reference(format, 10);
            fill(reference, kind.built);
            const Content before = content_of(reference);
            left_to_give = kEnough - 1;
            change(reference, which, 1, nullptr);
            const std::int64_t needed = kEnough - 1 - left_to_give.exchange(kEnough);
            const Content after = content_of(reference);
            // Some of the moments, all of the last ones, and one at which all is given.
            std::vector<std::int64_t> moments;
            for (std::int64_t n = 0; n <= needed; n += n < needed - 20 ? 1 + needed / 40 : 1) {
                moments.push_back(n);
            }
            for (const bool for_good : {false, true}) {
                for (const std::int64_t n : moments) {
                    FanngIndex index(format, 10);
                    fill(index, kind.built);
                    bool threw = false;
                    no_more = for_good;
                    left_to_give = n;
                    try {
                        change(index, which, 1, nullptr);
                    } catch (const std::bad_alloc&) {
                        threw = true;
                    }
                    left_to_give = kEnough;
                    CHECK(!threw || n < needed);
                    failures += threw;
                    CHECK(content_of(index) == (threw ? before : after));
                    if (n % 5 == 0) check_saved(index, threw ? before : after);
                    if (threw) change(index, which, 1, nullptr);
                    CHECK(content_of(index) == after);
                    if (n % 5 == 1) check_saved(index, after);
                }
            }
        }
    }
    CHECK(failures > 300);
}

void a_tick_may_stop_what_adds() {
    struct Stop {};
    std::size_t stops = 0;
    for (const Kind kind : kKinds) {
        const Format format = Format::of(kind.metric, Dtype::f32, kDim);
        for (int which = 0; which < 4; ++which) {
            bool stopped = true;
            for (std::size_t n = 0; stopped; ++n) {
                FanngIndex index(format, 10);
                fill(index, kind.built);
                const Content before = content_of(index);
                std::size_t ticks = 0;
                stopped = false;
                try {
                    change(index, which, 2, [&](std::size_t, std::size_t, const char*) {
                        if (ticks++ == n) throw Stop{};
                    });
                } catch (const Stop&) {
                    stopped = true;
                    ++stops;
                    CHECK(content_of(index) == before);
                    change(index, which, 2, nullptr);
                }
                check_saved(index, content_of(index));
            }
        }
    }
    CHECK(stops > 20);
}

constexpr Test kTests[] = {
    {"graph: memory may end at any moment of a change", memory_may_end_at_any_moment},
    {"graph: a tick may stop what adds, and nothing was added", a_tick_may_stop_what_adds},
};

}  // namespace

std::span<const Test> graph_memory_tests() {
    return kTests;
}
