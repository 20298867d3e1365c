#include "index.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include "walk/entries.hpp"
#include "walk/scan.hpp"
#include "walk/topk.hpp"
#include "walk/turns.hpp"

namespace bitgrove::graph {

void Index::refuse_reentry() const {
    if (changer_.load() == std::this_thread::get_id()) {
        throw std::logic_error(
            "the index is being changed: its progress callback must not use it, nor a signal "
            "handler");
    }
}

std::shared_lock<std::shared_mutex> Index::reading() const {
    refuse_reentry();
    const std::lock_guard turn(gate_);
    return std::shared_lock(lock_);
}

Index::Changing::Changing(const Index& index) : index_(index) {
    index.refuse_reentry();
    turn_ = std::unique_lock(index.changes_);
    if (index.torn_) {
        throw std::logic_error(
            "this process was forked while another thread changed the index: it can be searched, "
            "but not changed; load it from a file");
    }
    index.changer_ = std::this_thread::get_id();
}

Index::Changing::~Changing() {
    if (turn_) index_.changer_ = std::thread::id{};
}

void Index::settle() {
    settled_ = rows_.size();
    size_.store(visible_count(), std::memory_order_release);
}

RowsView Index::rows() const {
    const auto lock = reading();
    RowsView view = rows_.view();
    view.count = settled_;
    if (removed_ == 0) return view;
    const std::size_t bytes = format().row_bytes;
    auto data = allocate_block<std::uint8_t>(visible_count() * bytes);
    auto ids = allocate_block<std::int64_t>(visible_count());
    std::size_t next = 0;
    for (std::size_t r = 0; r < settled_; ++r) {
        if (!alive_[r]) continue;
        std::memcpy(data.get() + next * bytes, rows_.row(r), bytes);
        ids[next++] = rows_.id(r);
    }
    return {std::move(data), std::move(ids), next};
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

Allowed Index::visible() const {
    return {removed_ ? alive_.data() : nullptr, settled_, visible_count(), {}};
}

std::vector<Row> Index::rows_of(const std::int64_t* ids, std::size_t count) const {
    std::vector<Row> rows(count);
    for (std::size_t i = 0; i < count; ++i) {
        rows[i] = rows_.find(ids[i]);
        if (rows[i] == kNoRow) {
            throw std::invalid_argument("no row has the id " + std::to_string(ids[i]));
        }
    }
    return rows;
}

std::vector<Row> Index::distinct_rows(const std::int64_t* ids, std::size_t count) const {
    std::vector<Row> rows = rows_of(ids, count);
    std::vector<Row> sorted = rows;
    std::sort(sorted.begin(), sorted.end());
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
    if (twice != sorted.end()) {
        throw std::invalid_argument("ids: id " + std::to_string(rows_.id(*twice)) +
                                    " is given twice");
    }
    return rows;
}

void Index::replace(const std::vector<Row>& gone, const std::uint8_t* rows, std::size_t count,
                    const std::int64_t* ids) {
    Rows fresh = rows_;
    std::vector<bool> goes(fresh.size());
    for (const Row row : gone) {
        goes[row] = true;
        fresh.release_id(row);
    }
    std::vector<Row> kept;
    for (std::size_t r = 0; r < fresh.size(); ++r) {
        if (!goes[r]) kept.push_back(static_cast<Row>(r));
    }
    fresh.rearrange(kept);
    fresh.append(rows, count, ids);
    const auto alone = access().alone();
    std::swap(rows_, fresh);
    settle();
}

void Index::search_all(const Queries& queries, const Tick& tick) const {
    const auto lock = reading();
    check_rows(format(), queries.rows, queries.count, "queries");
    scan(rows_, queries, tick, visible());
}

RangeResult Index::range_all(const Queries& queries, float radius, const Tick& tick) const {
    const auto lock = reading();
    check_rows(format(), queries.rows, queries.count, "queries");
    return scan_range(queries, radius, tick, visible());
}

RangeResult Index::scan_range(const Queries& queries, float radius, const Tick& tick,
                              const Allowed& allowed) const {
    return {scan_within(rows_, queries, radius, tick, allowed), Space(format())};
}

RangeResult::RangeResult(const std::vector<std::vector<TopK::Item>>& found, const Space& space)
    : limits{0} {
    std::size_t count = 0;
    for (const auto& items : found) count += items.size();
    distances.reserve(count);
    ids.reserve(count);
    for (const auto& items : found) {
        for (const TopK::Item& item : items) {
            distances.push_back(space.reported(item.key));
            ids.push_back(item.id);
        }
        limits.push_back(static_cast<std::int64_t>(ids.size()));
    }
}

void FlatIndex::add(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                    std::size_t, const Tick&) {
    const Changing changing(*this);
    rows_.check(rows, count, ids, false);
    const RowsView old = rows_.view();  // freed when no lock is held: it may belong to Python
    const auto alone = access().alone();
    rows_.place(rows, count, ids, false);
    rows_.enter();
    settle();
}

void FlatIndex::remove(const std::int64_t* ids, std::size_t count, std::size_t) {
    const Changing changing(*this);
    replace(distinct_rows(ids, count), nullptr, 0, nullptr);
}

void FlatIndex::update(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                       std::size_t, const Tick&) {
    const Changing changing(*this);
    const std::vector<Row> gone = distinct_rows(ids, count);
    rows_.check(rows, count, ids, true);
    replace(gone, rows, count, ids);
}

void FlatIndex::restore(Block<std::uint8_t> rows, Block<std::int64_t> ids, std::size_t count,
                        std::int64_t next_id, bool verify) {
    const Changing changing(*this);
    Rows fresh = taken_over(std::move(rows), std::move(ids), count, next_id, verify);
    const auto alone = access().alone();
    rows_ = std::move(fresh);
    settle();
}

FanngIndex::FanngIndex(const Format& format, std::uint32_t max_degree)
    : Index(format), max_degree_(max_degree) {
    if (max_degree < 4 || max_degree > 1024) {
        throw std::invalid_argument("max_degree must be in 4 ..= 1024, got " +
                                    std::to_string(max_degree));
    }
}

const Graph& FanngIndex::graph() const {
    if (!graph_) throw std::logic_error("the index has rows but no graph; call build() first");
    return *graph_;
}

FanngIndex::Prepared FanngIndex::prepare(const Queries& queries, const Asked& asked) const {
    check_rows(format(), queries.rows, queries.count, "queries");
    Prepared prepared;
    SearchOptions& options = prepared.options;
    options.width = asked.width;
    options.budget = asked.budget;
    options.time = asked.time;
    options.allowed = visible();
    if (asked.flags || asked.filter) {
        Allowed& allowed = options.allowed;
        prepared.flags.resize(settled_);
        if (asked.flags) {
            if (asked.filter_count != visible_count()) {
                throw std::invalid_argument("filter: expected one flag for each of " +
                                            std::to_string(visible_count()) + " rows, got " +
                                            std::to_string(asked.filter_count));
            }
            const std::uint8_t* next = asked.flags;
            for (std::size_t r = 0; r < settled_; ++r) {
                if (allowed(static_cast<Row>(r))) prepared.flags[r] = *next++ != 0;
            }
        } else {
            for (const Row row : rows_of(asked.filter, asked.filter_count)) prepared.flags[row] = 1;
        }
        for (std::size_t r = 0; r < settled_; ++r) {
            if (prepared.flags[r]) prepared.list.push_back(static_cast<Row>(r));
        }
        allowed.flags = prepared.flags.data();
        allowed.count = prepared.list.size();
        allowed.list = prepared.list;
    }
    if (asked.starts) {
        prepared.starts = rows_of(asked.starts, queries.count);
        if (graph_) {
            for (Row& start : prepared.starts) start = graph_->twins.vertex_of(start);
        }
        options.starts = prepared.starts.data();
    }
    if (graph_) prepared.entries = entries_of(*graph_, stranded_.value_or(settled_));
    options.entries = prepared.entries;
    return prepared;
}

template <typename Work>
void FanngIndex::for_each_block(const Queries& queries, std::size_t searches, const Tick& tick,
                                Work work) const {
    using Searches = std::vector<std::unique_ptr<Search>>;
    std::vector<Searches> of_worker(std::max<std::size_t>(1, queries.threads));
    {
        const std::lock_guard guard(idle_lock_);
        for (Searches& some : of_worker) {
            for (some.reserve(searches); some.size() < searches && !idle_.empty();) {
                some.push_back(std::move(idle_.back()));
                idle_.pop_back();
            }
        }
    }
    parallel_blocks(queries.count, 16, queries.threads, "search", tick,
                    [&](std::size_t begin, std::size_t end, std::size_t worker) {
                        Searches& some = of_worker[worker];
                        while (some.size() < searches) some.push_back(std::make_unique<Search>());
                        computed_.fetch_add(work(some, begin, end), std::memory_order_relaxed);
                    });
    const std::lock_guard guard(idle_lock_);
    for (Searches& some : of_worker) {
        for (auto& search : some) idle_.push_back(std::move(search));
    }
}

void FanngIndex::search(const Queries& queries, const Asked& asked, const Tick& tick) const {
    const auto lock = reading();
    const Prepared prepared = prepare(queries, asked);
    if (rows_.size() == 0 || (rows_.size() == 1 && !graph_)) {
        return scan(rows_, queries, tick, prepared.options.allowed);
    }
    const Graph& graph = this->graph();
    for_each_block(queries, asked.interleave, tick,
                   [&](auto& searches, std::size_t begin, std::size_t end) {
                       return take_turns(searches, begin, end, [&](Search& search, std::size_t q) {
                           search.begin(graph, rows_, queries, q, prepared.options);
                       });
                   });
}

RangeResult FanngIndex::range(const Queries& queries, float radius, const Asked& asked,
                              const Tick& tick) const {
    const auto lock = reading();
    Prepared prepared = prepare(queries, asked);
    if (asked.width >= visible_count()) prepared.options.width = rows_.size();
    if (rows_.size() == 0 || (rows_.size() == 1 && !graph_)) {
        return scan_range(queries, radius, tick, prepared.options.allowed);
    }
    const Graph& graph = this->graph();
    std::vector<std::vector<TopK::Item>> found(queries.count);
    for_each_block(queries, 1, tick, [&](auto& searches, std::size_t begin, std::size_t end) {
        std::size_t computed = 0;
        for (std::size_t q = begin; q < end; ++q) {
            const std::uint8_t* query = queries.rows + q * format().row_bytes;
            computed +=
                searches.front()->within(graph, rows_, query, radius, prepared.options, found[q]);
        }
        return computed;
    });
    return {found, Space(format())};
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
    const Allowed allowed = visible();
    if (allowed.count < rows_.size() && budget >= allowed.count) {
        return scan(rows_, queries, tick, allowed);
    }
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
                if (twins.empty() && allowed(row)) best.offer(key, rows_.id(row));
                for (const Row twin : twins) {  // by rising id: after one is too far, all are
                    if (allowed(twin) && !best.offer(key, rows_.id(twin))) break;
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
    const Changing changing(*this);
    if (graph_) throw std::logic_error("only an empty index can be restored");
    Rows fresh = taken_over(std::move(rows), std::move(ids), count, next_id, verify);
    std::optional<Graph> graph;
    if (stored) graph = restore_graph(fresh, max_degree_, std::move(*stored), verify);
    const auto alone = access().alone();
    rows_ = std::move(fresh);
    graph_ = std::move(graph);
    checked_ = verify;
    settle();
    built_.store(graph_.has_value(), std::memory_order_release);
}

FanngIndex::State FanngIndex::state() const {
    const Changing none(*this);  // a change writes to lists that no search reads yet
    if (removed_) throw std::logic_error("rows were removed since the index was last tidied");
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
