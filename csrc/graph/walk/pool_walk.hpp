// The fast walk: best first from a few rows, in a sorted pool of the nearest candidates found.
//
// The pool ends the walk when all that it holds have been expanded. A vertex is expanded at once:
// its unseen neighbours are collected while all their rows are fetched, and then measured together.
// (Malkov and Yashunin, TPAMI 2020, alg. 2, keep two heaps; one sorted pool as in Fu et al., VLDB
// 2019, is faster at the widths that are used.)
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "../key.hpp"
#include "../store/edges.hpp"

namespace bitgrove::graph {

// The rows that a walk has seen, one bit for each row of the graph; what a walk has set it clears.
class Seen {
  public:
    // Forgets everything, for a graph of `rows`.
    void reset(std::size_t rows) {
        for (std::size_t i = 0; i < count_; ++i) words_[touched_[i] / 64] = 0;
        count_ = 0;
        if (words_.size() < rows / 64 + 1) words_.resize(rows / 64 + 1);
    }
    // The rows among these that are new, in the same order, up to the first that is not below
    // `limit`. Without branches: whether a row was seen is as good as random.
    std::span<const Row> insert(std::span<const Row> rows, std::size_t limit) {
        if (count_ + rows.size() > touched_.size()) touched_.resize(2 * (count_ + rows.size()));
        const std::size_t before = count_;
        std::uint64_t* const words = words_.data();
        Row* end = touched_.data() + before;
        for (const Row row : rows) {
            if (row >= limit) break;
            std::uint64_t& word = words[row / 64];
            *end = row;
            end += ~(word >> row % 64) & 1;
            word |= std::uint64_t{1} << row % 64;
        }
        count_ = static_cast<std::size_t>(end - touched_.data());
        return {touched_.data() + before, count_ - before};
    }
    bool contains(Row row) const { return words_[row / 64] >> row % 64 & 1; }

  private:
    std::vector<std::uint64_t> words_;
    std::vector<Row> touched_;
    std::size_t count_ = 0;
};

// The nearest candidates, sorted by (key, row), each expanded or not.
class Pool {
  public:
    // An entry is key << 32 | row << 1 | whether it was expanded; rows are below 2^31.
    static Key key(std::uint64_t entry) { return static_cast<Key>(entry >> 32); }
    static Row row(std::uint64_t entry) { return static_cast<Row>(entry) >> 1; }

    void reset(std::size_t width) {
        if (entries_.size() < width) entries_.resize(width);
        width_ = width;
        size_ = next_ = 0;
    }
    std::size_t size() const { return size_; }
    std::span<const std::uint64_t> entries() const { return {entries_.data(), size_}; }

    // Whether the candidate is among the nearest, for now.
    bool offer(Key key, Row row) {
        const std::uint64_t entry = std::uint64_t{key} << 32 | std::uint64_t{row} << 1;
        if (size_ == width_ && entry > entries_[size_ - 1]) return false;
        // A binary search without branches, which would be mispredicted half of the time.
        std::uint64_t* place = entries_.data();
        for (std::size_t n = size_; n > 0;) {
            const std::size_t half = (n + 1) / 2;
            place += (place[half - 1] < entry) * half;
            n -= half;
        }
        if (size_ < width_) ++size_;
        std::memmove(place + 1, place,
                     static_cast<std::size_t>(entries_.data() + size_ - 1 - place) * sizeof entry);
        *place = entry;
        next_ = std::min(next_, static_cast<std::size_t>(place - entries_.data()));
        return true;
    }

    // The nearest that was not expanded, marked as expanded; kNoRow if there is none.
    Row expand_next() {
        skip_expanded();
        if (next_ == size_) return kNoRow;
        entries_[next_] |= 1;
        return row(entries_[next_++]);
    }
    // The one that `expand_next` would give.
    Row peek() {
        skip_expanded();
        return next_ == size_ ? kNoRow : row(entries_[next_]);
    }

  private:
    void skip_expanded() {
        while (next_ < size_ && (entries_[next_] & 1)) ++next_;
    }

    std::vector<std::uint64_t> entries_;
    std::size_t width_ = 0, size_ = 0, next_ = 0;
};

// When a walk must stop, whatever its pool holds. At least one distance is computed.
struct Limit {
    using Clock = std::chrono::steady_clock;
    std::size_t distances = std::numeric_limits<std::size_t>::max();
    std::optional<Clock::time_point> deadline;
    Row sought = kNoRow;  // seeing this row is enough
};

class PoolWalk {
  public:
    Seen seen;
    Pool pool;
    std::size_t computed = 0;  // distances of the last walk

    // Before the first `step`; `starts` must live until then.
    void begin(const Edges& edges, std::span<const Row> starts, std::size_t width,
               const Limit& limit) {
        seen.reset(edges.rows());
        pool.reset(width);
        const std::size_t most = std::max<std::size_t>(edges.stride(), starts.size());
        if (keys_.size() < most) keys_.resize(most);
        limit_ = limit;
        limit_.distances = std::max<std::size_t>(limit.distances, 1);
        computed = 0;
        waiting_ = starts;
    }

    // Measures the rows that wait, expands the nearest vertex and announces the rows at the ends
    // of its edges; false if the walk is over. toward(rows, count, keys) measures; prefetch(row)
    // announces that it will.
    template <typename Toward, typename Prefetch>
    bool step(const Edges& edges, Toward toward, Prefetch prefetch) {
        std::span<const Row> fresh = seen.insert(waiting_, edges.rows());
        fresh = fresh.first(std::min(fresh.size(), limit_.distances - computed));
        toward(fresh.data(), fresh.size(), keys_.data());
        computed += fresh.size();
        for (std::size_t i = 0; i < fresh.size(); ++i) {
            if (pool.offer(keys_[i], fresh[i]) && pool.peek() == fresh[i]) {
                edges.prefetch(fresh[i]);
            }
        }
        if (computed >= limit_.distances) return false;
        if (limit_.deadline && Limit::Clock::now() >= *limit_.deadline) return false;
        if (limit_.sought != kNoRow && seen.contains(limit_.sought)) return false;
        const Row vertex = pool.expand_next();
        if (vertex == kNoRow) return false;
        if (const Row after = pool.peek(); after != kNoRow) edges.prefetch(after);
        // Ends with kNoRow, or with what a damaged file holds. All are fetched, while it is found
        // out which of them are new: most are, and the others lie in a cache.
        waiting_ = {edges.list(vertex), edges.stride()};
        for (const Row end : waiting_) {
            if (end >= edges.rows()) break;
            prefetch(end);
        }
        return true;
    }

    // The whole walk; leaves the nearest `width` rows in the pool.
    template <typename Toward, typename Prefetch>
    void operator()(const Edges& edges, std::span<const Row> starts, std::size_t width,
                    const Limit& limit, Toward toward, Prefetch prefetch) {
        begin(edges, starts, width, limit);
        while (step(edges, toward, prefetch)) {
        }
    }

  private:
    std::vector<Key> keys_;
    std::span<const Row> waiting_;  // what the next step measures, if it is new
    Limit limit_;
};

}  // namespace bitgrove::graph
