// The exact index over codes that looks up substrings.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "../index.hpp"
#include "probe.hpp"

namespace bitgrove::graph {

// Rows that came after the tables were made are compared one by one, until they are many; then the
// tables are made anew. Without tables, all rows are: every search is exact at any time.
class MultiIndex : public FlatIndex {
  public:
    // `parts` substrings; 0: as many as suit the number of rows. Throws std::invalid_argument for
    // rows that are no bits, or parts too few or too many.
    MultiIndex(const Format& format, std::size_t parts);

    // Of the tables there are; 0: none.
    std::size_t tables() const;
    void build(std::size_t threads, const Tick& tick);

    void add(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
             std::size_t threads, const Tick& tick) override;
    void remove(const std::int64_t* ids, std::size_t count, std::size_t threads) override;
    void update(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                std::size_t threads, const Tick& tick) override;

    void search(const Queries& queries, const Tick& tick) const;
    // `queries` needs no room for results.
    RangeResult range(const Queries& queries, float radius, const Tick& tick) const;
    // Queries that were answered by comparing all rows, so far.
    std::size_t scanned() const { return scanned_.load(); }

    void after_fork_in_child() override;

  private:
    // Calls work(probe, q) for every query, which returns whether it found the answer; returns the
    // queries without.
    template <typename Work>
    std::vector<std::size_t> probe(const Queries& queries, const Tick& tick, Work work) const;
    // Some of the queries, one after the other.
    std::vector<std::uint8_t> gather(const Queries& queries,
                                     const std::vector<std::size_t>& some) const;
    // In a change.
    void change(const std::int64_t* ids, std::size_t count, const std::uint8_t* rows,
                std::size_t threads);
    void drop();
    void make(std::size_t threads, const Tick& tick);
    // Without memory it can wait: what was asked for is done.
    void make_if_possible(std::size_t threads);

    std::size_t parts_;
    std::unique_ptr<const SubstringTables> made_;
    mutable std::atomic<std::size_t> scanned_{0};
    mutable std::mutex idle_lock_;
    mutable std::vector<std::unique_ptr<Probe>> idle_;  // that wait for use
};

}  // namespace bitgrove::graph
