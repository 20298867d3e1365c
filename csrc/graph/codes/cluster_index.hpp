// The exact index over codes that passes over the clusters which may hold a near one.
#pragma once
#include <cstddef>
#include <memory>

#include "clusters.hpp"
#include "prepared.hpp"

namespace bitgrove::graph {

class ClusterIndex : public PreparedIndex {
  public:
    // `clusters`; 0: as many as suit the number of rows. Throws std::invalid_argument for rows that
    // are no bits, or are too long.
    ClusterIndex(const Format& format, std::size_t clusters);

    std::size_t parts() const override;  // clusters
    void search(const Queries& queries, const Tick& tick) const override;
    RangeResult range(const Queries& queries, float radius, const Tick& tick) const override;

  protected:
    void make(std::size_t threads, const Tick& tick) override;
    void drop() override;
    std::optional<std::size_t> made_of() const override;

  private:
    // Calls near(first, rows) for blocks of the rows that came after.
    template <typename Near>
    void tail(Near near) const;

    std::size_t wanted_;
    std::unique_ptr<const Clusters> made_;
};

}  // namespace bitgrove::graph
