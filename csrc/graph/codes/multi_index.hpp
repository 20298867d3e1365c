// The exact index over codes that looks up substrings.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "prepared.hpp"
#include "probe.hpp"

namespace bitgrove::graph {

class MultiIndex : public PreparedIndex {
  public:
    // `parts` substrings; 0: as many as suit the number of rows. Throws std::invalid_argument for
    // rows that are no bits, or parts too few or too many.
    MultiIndex(const Format& format, std::size_t parts);

    std::size_t parts() const override;  // tables
    void search(const Queries& queries, const Tick& tick) const override;
    RangeResult range(const Queries& queries, float radius, const Tick& tick) const override;
    // Queries that were answered by comparing all rows, so far.
    std::size_t scanned() const { return scanned_.load(); }

    void after_fork_in_child() override;

  protected:
    void make(std::size_t threads, const Tick& tick) override;
    void drop() override;
    std::optional<std::size_t> made_of() const override;

  private:
    // Calls work(probe, q) for every query, which returns whether it found the answer; returns the
    // queries without.
    template <typename Work>
    std::vector<std::size_t> probe(const Queries& queries, const Tick& tick, Work work) const;
    // Some of the queries, one after the other.
    std::vector<std::uint8_t> gather(const Queries& queries,
                                     const std::vector<std::size_t>& some) const;

    std::size_t wanted_;
    std::unique_ptr<const SubstringTables> made_;
    mutable std::atomic<std::size_t> scanned_{0};
    mutable std::mutex idle_lock_;
    mutable std::vector<std::unique_ptr<Probe>> idle_;  // that wait for use
};

}  // namespace bitgrove::graph
