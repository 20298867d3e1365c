// How a graph index changes beside its searches.
#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

#include "build/remove.hpp"
#include "index.hpp"

namespace bitgrove::graph {

void FanngIndex::add(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                     std::size_t threads, const Tick& tick) {
    const Changing changing(*this);
    check_once();
    if (stranded_) tidy(threads);
    rows_.check(rows, count, ids, false);
    grow(rows, count, ids, {}, threads, tick);
}

void FanngIndex::remove(const std::int64_t* ids, std::size_t count, std::size_t threads) {
    const Changing changing(*this);
    check_once();
    const std::vector<Row> gone = distinct_rows(ids, count);
    if (!graph_) return replace(gone, nullptr, 0, nullptr);
    if (count == 0) return tidy(threads);
    {
        const auto alone = access().alone();
        hide(gone);
        settle();
    }
    tidy_if_due(threads);
}

void FanngIndex::update(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                        std::size_t threads, const Tick& tick) {
    const Changing changing(*this);
    check_once();
    if (stranded_) tidy(threads);
    const std::vector<Row> gone = distinct_rows(ids, count);
    rows_.check(rows, count, ids, true);
    if (!graph_) return replace(gone, rows, count, ids);
    grow(rows, count, ids, gone, threads, tick);
    tidy_if_due(threads);
}

void FanngIndex::check_once() {
    if (checked_) return;
    check_rows(format(), rows_.row(0), rows_.size(), "vectors");
    if (graph_) check_graph(*graph_, rows_);
    checked_ = true;
}

void FanngIndex::grow(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                      const std::vector<Row>& replaced, std::size_t threads, const Tick& tick) {
    // What grows leaves its old memory, which may belong to Python: to be freed when no lock is
    // held.
    const RowsView old = rows_.view();
    {  // all the memory that is needed after the graph has grown, and if it cannot grow
        const auto alone = access().alone();
        const std::size_t after = rows_.size() + count;
        if (alive_.capacity() < after) {
            alive_.reserve(std::max(after, alive_.capacity() + alive_.capacity() / 2));
        }
        rows_.place(rows, count, ids, !replaced.empty());
    }
    if (graph_) {
        grown_ = true;
        try {
            add_rows(*graph_, rows_, threads, tick, access());
        } catch (...) {  // no memory, Ctrl-C: the rows never were
            const auto alone = access().alone();
            alive_.resize(settled_, 1);
            alive_.resize(rows_.size(), 0);
            removed_ += rows_.size() - settled_;
            if (rows_.size() > settled_) stranded_ = settled_;
            rows_.abandon();
            settle();
            throw;
        }
    }
    const auto alone = access().alone();
    if (!alive_.empty()) alive_.resize(rows_.size(), 1);
    hide(replaced);
    rows_.enter();
    settle();
}

// To be called alone. Where there is no memory it throws, and changes nothing.
void FanngIndex::hide(const std::vector<Row>& rows) {
    if (rows.empty()) return;
    alive_.resize(rows_.size(), 1);
    for (const Row row : rows) {
        rows_.release_id(row);
        alive_[row] = 0;
    }
    removed_ += rows.size();
}

bool FanngIndex::untidy() const {
    const Changing none(*this);
    return removed_ || (grown_ && !unreachable(*graph_).empty());
}

// Without memory it can wait: what was asked for is done.
void FanngIndex::tidy_if_due(std::size_t threads) {
    if (removed_ <= std::max<std::size_t>(64, rows_.size() / 50)) return;
    try {
        tidy(threads);
    } catch (const std::bad_alloc&) {
    } catch (const std::system_error&) {  // no thread
    }
}

void FanngIndex::tidy(std::size_t threads) {
    if (removed_) {
        Rows rows = rows_;
        Graph graph = without_removed(*graph_, rows, alive_, threads);
        take_over(std::move(rows), std::move(graph));
    }
    reach_all(*graph_, rows_, threads, access());
    grown_ = false;
}

Rows FanngIndex::rows_left() const {
    Rows rows = rows_;
    if (!removed_) return rows;
    std::vector<Row> kept;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        if (alive_[r]) kept.push_back(static_cast<Row>(r));
    }
    rows.rearrange(kept);
    return rows;
}

// What it replaces is freed after searches may go on.
void FanngIndex::take_over(Rows&& rows, Graph&& graph) {
    std::optional<Graph> fresh(std::move(graph));
    const auto alone = access().alone();
    std::swap(rows_, rows);
    std::swap(graph_, fresh);
    alive_.clear();
    removed_ = 0;
    grown_ = false;
    stranded_.reset();
    settle();
    built_.store(true, std::memory_order_release);
}

void FanngIndex::build(const BuildOptions& options, const Tick& tick) {
    const Changing changing(*this);
    check_once();
    Rows rows = rows_left();
    Graph graph = build_graph(rows, max_degree_, options, tick);
    take_over(std::move(rows), std::move(graph));
}

void FanngIndex::build_by_traversal(const TraverseOptions& options, const Tick& tick) {
    const Changing changing(*this);
    check_once();
    Rows rows = rows_left();
    Graph graph = graph::build_by_traversal(rows, max_degree_, options, tick);
    take_over(std::move(rows), std::move(graph));
}

}  // namespace bitgrove::graph
