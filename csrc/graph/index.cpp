#include "index.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "walk/topk.hpp"

namespace bitgrove::graph {
namespace {

void write(TopK& best, const Space& space, const Queries& queries, std::size_t q) {
    const auto& items = best.sorted();
    float* distances = queries.distances + q * queries.k;
    std::int64_t* ids = queries.ids + q * queries.k;
    for (std::size_t i = 0; i < queries.k; ++i) {
        distances[i] = i < items.size() ? space.reported(items[i].key) : space.nowhere();
        ids[i] = i < items.size() ? items[i].id : -1;
    }
}

}  // namespace

void Index::refuse_reentry() const {
    if (writer_.load() == std::this_thread::get_id()) {
        throw std::logic_error("the index is being changed: its progress callback must not use it");
    }
}

std::shared_lock<std::shared_mutex> Index::reading() const {
    refuse_reentry();
    const std::lock_guard turn(gate_);
    return std::shared_lock(lock_);
}

Index::Writing::Writing(Index& index) : index(index) {
    index.refuse_reentry();
    const std::lock_guard turn(index.gate_);
    lock = std::unique_lock(index.lock_);
    index.writer_ = std::this_thread::get_id();
}

Index::Writing::~Writing() {
    index.size_.store(index.rows_.size(), std::memory_order_release);
    index.writer_ = std::thread::id{};
}

RowsView Index::rows() const {
    const auto lock = reading();
    return rows_.view();
}

void Index::search_all(const Queries& queries, const Tick& tick) const {
    const auto lock = reading();
    check_rows(format(), queries.rows, queries.count, "queries");
    scan(queries, tick);
}

// Blocks of rows stay in cache while a block of queries passes over them.
void Index::scan(const Queries& queries, const Tick& tick) const {
    constexpr std::size_t kQueries = 16, kRows = 256;
    const Space space(format());
    const std::size_t bytes = format().row_bytes;
    const auto work = [&](std::size_t begin, std::size_t end, std::size_t) {
        std::vector<TopK> best(end - begin);
        for (TopK& top : best) top.reset(queries.k);
        for (std::size_t first = 0; first < rows_.size(); first += kRows) {
            const std::size_t last = std::min(rows_.size(), first + kRows);
            for (std::size_t q = begin; q < end; ++q) {
                const std::uint8_t* query = queries.rows + q * bytes;
                for (std::size_t row = first; row < last; ++row) {
                    best[q - begin].offer(space.toward(query, rows_.row(row)), rows_.id(row));
                }
            }
        }
        for (std::size_t q = begin; q < end; ++q) write(best[q - begin], space, queries, q);
    };
    parallel_blocks(queries.count, kQueries, queries.threads, "search", tick, work);
}

void FlatIndex::add(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids) {
    const Writing writing(*this);
    rows_.append(rows, count, ids);
}

FanngIndex::FanngIndex(const Format& format, std::uint32_t max_degree)
    : Index(format), max_degree_(max_degree) {
    if (max_degree < 4 || max_degree > 1024) {
        throw std::invalid_argument("max_degree must be in 4 ..= 1024, got " +
                                    std::to_string(max_degree));
    }
}

void FanngIndex::add(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids) {
    const Writing writing(*this);
    rows_.append(rows, count, ids);
    if (!graph_) return;
    Walk walk;
    std::vector<Row> suspects;
    while (graph_->twins.size() < rows_.size()) insert_row(*graph_, rows_, walk, suspects);
    // New rows can lead walks for old ones astray, so all are checked whenever there are a
    // hundredth more: about one millisecond for each new row, whatever the size.
    if (rows_.size() - graph_->checked > graph_->checked / 100) {
        repair_all(*graph_, rows_, 1, nullptr);
    } else {
        repair(*graph_, rows_, std::move(suspects), 1, nullptr);
    }
}

void FanngIndex::build(const BuildOptions& options, const Tick& tick) {
    const Writing writing(*this);
    graph_ = build_graph(rows_, max_degree_, options, tick);
    built_.store(true, std::memory_order_release);
}

void FanngIndex::search(const Queries& queries, std::size_t budget, const Tick& tick) const {
    const auto lock = reading();
    check_rows(format(), queries.rows, queries.count, "queries");
    if (rows_.size() <= 1) return scan(queries, tick);
    if (!graph_) throw std::logic_error("the index has rows but no graph; call build() first");
    const Space space(format());
    const std::size_t bytes = format().row_bytes;
    struct Scratch {
        Walk walk;
        TopK best;
    };
    std::vector<Scratch> scratch(std::max<std::size_t>(1, queries.threads));
    const auto work = [&](std::size_t begin, std::size_t end, std::size_t worker) {
        auto& [walk, best] = scratch[worker];
        std::size_t computed = 0;
        for (std::size_t q = begin; q < end; ++q) {
            const std::uint8_t* query = queries.rows + q * bytes;
            best.reset(queries.k);
            const auto visit = [&](Row row, Key key) {
                const auto twins = graph_->twins.of(row);
                if (twins.empty()) best.offer(key, rows_.id(row));
                for (const Row twin : twins) {  // by rising id: after one is too far, all are
                    if (!best.offer(key, rows_.id(twin))) break;
                }
                return false;
            };
            computed += backtrack(
                graph_->edges, rows_.size(), graph_->start, budget, walk,
                [&](Row row) { return space.toward(query, rows_.row(row)); }, visit);
            write(best, space, queries, q);
        }
        computed_.fetch_add(computed, std::memory_order_relaxed);
    };
    parallel_blocks(queries.count, 16, queries.threads, "search", tick, work);
}

FanngIndex::State FanngIndex::state() const {
    const auto lock = reading();
    State state{rows_.view(), graph_.has_value(), {}, {}, -1, 0, 0};
    if (!graph_) return state;
    state.degrees.resize(rows_.size());
    for (std::size_t row = 0; row < rows_.size(); ++row) {
        const auto ends = graph_->edges.of(static_cast<Row>(row));
        state.degrees[row] = static_cast<std::uint32_t>(ends.size());
        state.ends.insert(state.ends.end(), ends.begin(), ends.end());
    }
    state.start = graph_->start == kNoRow ? -1 : static_cast<std::int64_t>(graph_->start);
    state.squared_bound = graph_->squared_bound;
    state.checked = graph_->checked;
    return state;
}

void FanngIndex::restore(const std::uint32_t* degrees, std::size_t degree_count, const Row* ends,
                         std::size_t end_count, std::int64_t start, double squared_bound,
                         std::size_t checked) {
    const Writing writing(*this);
    if (degree_count != rows_.size()) {
        throw std::invalid_argument("degrees: expected one for each of " +
                                    std::to_string(rows_.size()) + " rows, got " +
                                    std::to_string(degree_count));
    }
    graph_ =
        restore_graph(rows_, max_degree_, degrees, ends, end_count, start, squared_bound, checked);
    built_.store(true, std::memory_order_release);
}

}  // namespace bitgrove::graph
