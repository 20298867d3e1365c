#include "index.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "walk/scan.hpp"
#include "walk/topk.hpp"

namespace bitgrove::graph {
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

std::int64_t Index::next_id() const {
    const auto lock = reading();
    return rows_.next_id();
}

Rows Index::taken_over(Block<std::uint8_t> rows, Block<std::int64_t> ids, std::size_t count,
                       std::int64_t next_id, bool verify) const {
    if (rows_.size()) throw std::logic_error("only an empty index can be restored");
    if (verify) check_rows(format(), rows.get(), count, "vectors");
    Rows fresh(format());
    fresh.attach(std::move(rows), std::move(ids), count, next_id);
    return fresh;
}

void Index::search_all(const Queries& queries, const Tick& tick) const {
    const auto lock = reading();
    check_rows(format(), queries.rows, queries.count, "queries");
    scan(rows_, queries, tick);
}

void FlatIndex::add(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids) {
    const Writing writing(*this);
    rows_.append(rows, count, ids);
}

void FlatIndex::restore(Block<std::uint8_t> rows, Block<std::int64_t> ids, std::size_t count,
                        std::int64_t next_id, bool verify) {
    const Writing writing(*this);
    rows_ = taken_over(std::move(rows), std::move(ids), count, next_id, verify);
}

FanngIndex::FanngIndex(const Format& format, std::uint32_t max_degree)
    : Index(format), max_degree_(max_degree) {
    if (max_degree < 4 || max_degree > 1024) {
        throw std::invalid_argument("max_degree must be in 4 ..= 1024, got " +
                                    std::to_string(max_degree));
    }
}

void FanngIndex::add(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                     std::size_t threads) {
    const Writing writing(*this);
    check_once();
    rows_.append(rows, count, ids);
    if (graph_) add_rows(*graph_, rows_, threads);
}

void FanngIndex::build(const BuildOptions& options, const Tick& tick) {
    const Writing writing(*this);
    check_once();
    graph_ = build_graph(rows_, max_degree_, options, tick);
    built_.store(true, std::memory_order_release);
}

void FanngIndex::build_by_traversal(const TraverseOptions& options, const Tick& tick) {
    const Writing writing(*this);
    check_once();
    graph_ = graph::build_by_traversal(rows_, max_degree_, options, tick);
    built_.store(true, std::memory_order_release);
}

void FanngIndex::check_once() {
    if (checked_) return;
    check_rows(format(), rows_.row(0), rows_.size(), "vectors");
    if (graph_) check_edges(*graph_, rows_.size());
    checked_ = true;
}

std::vector<Row> FanngIndex::rows_of(const std::int64_t* ids, std::size_t count) const {
    std::vector<Row> rows(count);
    for (std::size_t i = 0; i < count; ++i) {
        rows[i] = rows_.find(ids[i]);
        if (rows[i] == kNoRow) {
            throw std::invalid_argument("no row has the id " + std::to_string(ids[i]));
        }
    }
    return rows;
}

std::vector<std::uint8_t> FanngIndex::flags_of(const std::int64_t* ids, std::size_t count) const {
    const auto lock = reading();
    std::vector<std::uint8_t> flags(rows_.size());
    for (const Row row : rows_of(ids, count)) flags[row] = 1;
    return flags;
}

const Graph& FanngIndex::graph() const {
    if (!graph_) throw std::logic_error("the index has rows but no graph; call build() first");
    return *graph_;
}

void FanngIndex::search(const Queries& queries, const Asked& asked, const Tick& tick) const {
    const auto lock = reading();
    check_rows(format(), queries.rows, queries.count, "queries");
    SearchOptions options{asked.width, asked.budget, asked.time, nullptr, {}};
    if (asked.flags) {
        if (asked.flag_count != rows_.size()) {
            throw std::invalid_argument("filter: expected one flag for each of " +
                                        std::to_string(rows_.size()) + " rows, got " +
                                        std::to_string(asked.flag_count));
        }
        options.allowed.flags = asked.flags;
        for (std::size_t r = 0; r < rows_.size(); ++r) options.allowed.count += asked.flags[r] != 0;
    }
    std::vector<Row> starts;
    if (asked.starts) {
        starts = rows_of(asked.starts, queries.count);
        if (graph_) {
            for (Row& start : starts) start = graph_->twins.vertex_of(start);
        }
        options.starts = starts.data();
    }
    if (rows_.size() == 0 || (rows_.size() == 1 && !graph_)) return scan(rows_, queries, tick);
    const Graph& graph = this->graph();
    std::vector<std::unique_ptr<Search>> searches(std::max<std::size_t>(1, queries.threads));
    {
        const std::lock_guard guard(idle_lock_);
        for (auto& search : searches) {
            if (idle_.empty()) break;
            search = std::move(idle_.back());
            idle_.pop_back();
        }
    }
    const auto work = [&](std::size_t begin, std::size_t end, std::size_t worker) {
        auto& search = searches[worker];
        if (!search) search = std::make_unique<Search>();
        std::size_t computed = 0;
        for (std::size_t q = begin; q < end; ++q) {
            computed += search->nearest(graph, rows_, queries, q, options);
        }
        computed_.fetch_add(computed, std::memory_order_relaxed);
    };
    parallel_blocks(queries.count, 16, queries.threads, "search", tick, work);
    const std::lock_guard guard(idle_lock_);
    for (auto& search : searches) {
        if (search) idle_.push_back(std::move(search));
    }
}

void FanngIndex::backtrack(const Queries& queries, std::size_t budget, std::size_t degree,
                           const std::int64_t* starts, const Tick& tick) const {
    const auto lock = reading();
    check_rows(format(), queries.rows, queries.count, "queries");
    std::vector<Row> first;
    if (starts) first = rows_of(starts, queries.count);
    if (rows_.size() == 0 || (rows_.size() == 1 && !graph_)) return scan(rows_, queries, tick);
    const Graph& graph = this->graph();
    const Space space(format());
    const std::size_t bytes = format().row_bytes;
    struct Scratch {
        Walk walk;
        TopK best;
    };
    const Truncated<Edges> edges{graph.edges, degree};
    const Pairs pairs = graph.pairs(rows_);
    std::vector<Scratch> scratch(std::max<std::size_t>(1, queries.threads));
    const auto work = [&](std::size_t begin, std::size_t end, std::size_t worker) {
        auto& [walk, best] = scratch[worker];
        std::size_t computed = 0;
        for (std::size_t q = begin; q < end; ++q) {
            const std::uint8_t* query = queries.rows + q * bytes;
            best.reset(queries.k);
            const auto visit = [&](Row row, Key key) {
                const auto twins = graph.twins.of(row);
                if (twins.empty()) best.offer(key, rows_.id(row));
                for (const Row twin : twins) {  // by rising id: after one is too far, all are
                    if (!best.offer(key, rows_.id(twin))) break;
                }
                return false;
            };
            const Row start = starts ? graph.twins.vertex_of(first[q]) : graph.start;
            computed += graph::backtrack(
                edges, rows_.size(), start, budget, walk,
                [&](Row row) { return space.toward(query, rows_.row(row)); }, visit,
                [&](Row row) { pairs.prefetch(row); });
            write_result(best, space, queries, q);
        }
        computed_.fetch_add(computed, std::memory_order_relaxed);
    };
    parallel_blocks(queries.count, 16, queries.threads, "search", tick, work);
}

void FanngIndex::restore(Block<std::uint8_t> rows, Block<std::int64_t> ids, std::size_t count,
                         std::int64_t next_id, std::optional<Stored> stored, bool verify) {
    const Writing writing(*this);
    if (graph_) throw std::logic_error("only an empty index can be restored");
    Rows fresh = taken_over(std::move(rows), std::move(ids), count, next_id, verify);
    if (stored) graph_ = restore_graph(fresh, max_degree_, std::move(*stored), verify);
    rows_ = std::move(fresh);
    checked_ = verify;
    built_.store(graph_.has_value(), std::memory_order_release);
}

FanngIndex::State FanngIndex::state() const {
    const auto lock = reading();
    State state;
    state.rows = rows_.view();
    state.next_id = rows_.next_id();
    if (!graph_) return state;
    const Graph& graph = *graph_;
    state.built = true;
    if (rows_.size()) {
        state.edges.assign(graph.edges.list(0), graph.edges.list(static_cast<Row>(rows_.size())));
    }
    state.vertices = graph.twins.vertices_of_rows();
    if (graph.codes) {
        const Coder& coder = graph.codes->coder();
        state.low = coder.low;
        state.step = coder.step;
        state.lift_places = coder.lift_places;
        state.exact = coder.exact;
        state.codes.assign(graph.codes->data(),
                           graph.codes->data() + rows_.size() * graph.codes->stride());
    }
    state.start = graph.start == kNoRow ? -1 : static_cast<std::int64_t>(graph.start);
    state.squared_bound = graph.squared_bound;
    state.checked = graph.checked;
    return state;
}

}  // namespace bitgrove::graph
