#include "cluster_index.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../walk/compare.hpp"
#include "../walk/order_bits.hpp"
#include "../walk/scan.hpp"

namespace bitgrove::graph {

ClusterIndex::ClusterIndex(const Format& format, std::size_t clusters)
    : PreparedIndex(format), wanted_(clusters) {
    if (format.dtype != Dtype::bits) throw std::invalid_argument("clustered codes are bits");
    if (format.row_bytes > kMaxClusteredBytes) {
        throw std::invalid_argument("clustered codes have at most " +
                                    std::to_string(8 * kMaxClusteredBytes) + " bits, got " +
                                    std::to_string(format.dim));
    }
}

std::size_t ClusterIndex::parts() const {
    const auto lock = reading();
    return made_ ? made_->count() : 0;
}

void ClusterIndex::drop() {
    std::unique_ptr<const Clusters> old;  // freed when no lock is held
    const auto alone = access().alone();
    std::swap(old, made_);
}

void ClusterIndex::make(std::size_t threads, const Tick& tick) {
    const std::size_t count = wanted_ ? wanted_ : best_clusters(rows_.size());
    auto made = std::make_unique<const Clusters>(make_clusters(rows_, count, threads, tick));
    const auto alone = access().alone();
    std::swap(made_, made);
}

std::optional<std::size_t> ClusterIndex::made_of() const {
    return made_ ? std::optional(made_->rows) : std::nullopt;
}

template <typename Near>
void ClusterIndex::tail(Near near) const {
    for (std::size_t first = made_->rows; first < rows_.size();
         first += ClusterSearch::kPutDown / 2) {
        near(first, std::min(rows_.size() - first, ClusterSearch::kPutDown / 2));
    }
}

void ClusterIndex::search(const Queries& queries, const Tick& tick) const {
    const auto lock = reading();
    check_rows(format(), queries.rows, queries.count, "queries");
    const std::size_t keep = std::min(queries.k, rows_.size());
    if (!made_ || keep == 0) return scan(rows_, queries, tick, visible());
    const Space space(format());
    const RowsView view = rows_.view();
    const auto work = [&](std::size_t begin, std::size_t end, std::size_t) {
        ClusterSearch clusters(*made_);
        for (std::size_t q = begin; q < end; ++q) {
            const std::uint8_t* query = queries.rows + q * format().row_bytes;
            Nearest best(keep, ClusterSearch::kPutDown, view.ids.get());
            clusters.nearest(query, best);
            const auto compare = Compare::of(rows_, query, 1);
            tail([&](std::size_t first, std::size_t count) {
                const Key limit = best.limit();
                compare->run(static_cast<Row>(first), count, &limit, &best.end());
                best.settle();
            });
            write_found(best.sorted(), space, queries, q, view.ids.get());
        }
    };
    parallel_blocks(queries.count, 4, queries.threads, "search", tick, work);
}

RangeResult ClusterIndex::range(const Queries& queries, float radius, const Tick& tick) const {
    const auto lock = reading();
    check_rows(format(), queries.rows, queries.count, "queries");
    if (!made_ || !(radius >= 0)) return scan_range(queries, radius, tick, visible());
    std::vector<std::vector<TopK::Item>> found(queries.count);
    const auto most =
        static_cast<Key>(std::min(std::floor(radius), static_cast<float>(8 * format().row_bytes)));
    const auto work = [&](std::size_t begin, std::size_t end, std::size_t) {
        ClusterSearch clusters(*made_);
        std::vector<Ranked> near, behind(ClusterSearch::kPutDown);
        for (std::size_t q = begin; q < end; ++q) {
            const std::uint8_t* query = queries.rows + q * format().row_bytes;
            near.clear();
            clusters.within(query, most, near);
            const auto compare = Compare::of(rows_, query, 1);
            tail([&](std::size_t first, std::size_t count) {
                Ranked* last = behind.data();
                compare->run(static_cast<Row>(first), count, &most, &last);
                near.insert(near.end(), behind.data(), last);
            });
            for (const Ranked one : near) found[q].push_back({key_of(one), rows_.id(row_of(one))});
            order_bits(found[q], 8 * format().row_bytes);
        }
    };
    parallel_blocks(queries.count, 4, queries.threads, "search", tick, work);
    return {found, Space(format())};
}

}  // namespace bitgrove::graph
