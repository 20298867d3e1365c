#include "multi_index.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include "../fork.hpp"
#include "../walk/order_bits.hpp"
#include "../walk/scan.hpp"

namespace bitgrove::graph {

MultiIndex::MultiIndex(const Format& format, std::size_t parts)
    : PreparedIndex(format), wanted_(parts) {
    if (format.dtype != Dtype::bits) throw std::invalid_argument("multi-index hashing takes bits");
    const std::size_t least = fewest_parts(format.dim);
    if (parts != 0 && (parts < least || parts > format.dim)) {
        throw std::invalid_argument(
            "tables must be in " + std::to_string(least) + " ..= " + std::to_string(format.dim) +
            " for " + std::to_string(format.dim) + " bits, got " + std::to_string(parts));
    }
}

std::size_t MultiIndex::parts() const {
    const auto lock = reading();
    return made_ ? made_->tables.size() : 0;
}

void MultiIndex::drop() {
    std::unique_ptr<const SubstringTables> old;  // freed when no lock is held
    const auto alone = access().alone();
    std::swap(old, made_);
}

void MultiIndex::make(std::size_t threads, const Tick& tick) {
    const std::size_t parts = wanted_ ? wanted_ : best_parts(format().dim, rows_.size());
    auto made = std::make_unique<const SubstringTables>(make_tables(rows_, parts, threads, tick));
    const auto alone = access().alone();
    std::swap(made_, made);
}

std::optional<std::size_t> MultiIndex::made_of() const {
    return made_ ? std::optional(made_->rows) : std::nullopt;
}

template <typename Work>
std::vector<std::size_t> MultiIndex::probe(const Queries& queries, const Tick& tick,
                                           Work work) const {
    std::vector<std::uint8_t> done(queries.count);
    if (made_) {
        std::vector<std::unique_ptr<Probe>> probes(std::max<std::size_t>(1, queries.threads));
        {
            const std::lock_guard guard(idle_lock_);
            for (auto& probe : probes) {
                if (idle_.empty()) break;
                probe = std::move(idle_.back());
                idle_.pop_back();
            }
        }
        const auto run = [&](std::size_t begin, std::size_t end, std::size_t worker) {
            auto& probe = probes[worker];
            if (!probe) probe = std::make_unique<Probe>();
            for (std::size_t q = begin; q < end; ++q) done[q] = work(*probe, q);
        };
        parallel_blocks(queries.count, 4, queries.threads, "search", tick, run);
        const std::lock_guard guard(idle_lock_);
        for (auto& probe : probes) {
            if (probe) idle_.push_back(std::move(probe));
        }
    }
    std::vector<std::size_t> left;
    for (std::size_t q = 0; q < queries.count; ++q) {
        if (!done[q]) left.push_back(q);
    }
    scanned_.fetch_add(left.size(), std::memory_order_relaxed);
    return left;
}

std::vector<std::uint8_t> MultiIndex::gather(const Queries& queries,
                                             const std::vector<std::size_t>& some) const {
    const std::size_t bytes = format().row_bytes;
    std::vector<std::uint8_t> rows(some.size() * bytes);
    for (std::size_t i = 0; i < some.size(); ++i) {
        std::memcpy(rows.data() + i * bytes, queries.rows + some[i] * bytes, bytes);
    }
    return rows;
}

void MultiIndex::search(const Queries& queries, const Tick& tick) const {
    const auto lock = reading();
    check_rows(format(), queries.rows, queries.count, "queries");
    const Space space(format());
    const RowsView view = rows_.view();
    const std::size_t keep = std::min(queries.k, rows_.size());
    const double limit = Probe::cost_of_scan(rows_, queries.count);
    const auto left = probe(queries, tick, [&](Probe& probe, std::size_t q) {
        if (keep == 0) return false;
        Nearest best(keep, Probe::kPutDown, view.ids.get());
        const std::uint8_t* query = queries.rows + q * format().row_bytes;
        if (!probe.nearest(*made_, rows_, query, keep, limit, best)) return false;
        write_found(best.sorted(), space, queries, q, view.ids.get());
        return true;
    });
    if (left.size() == queries.count) return scan(rows_, queries, tick, visible());
    if (left.empty()) return;
    const std::vector<std::uint8_t> rows = gather(queries, left);
    std::vector<float> distances(left.size() * queries.k);
    std::vector<std::int64_t> ids(left.size() * queries.k);
    scan(rows_,
         {rows.data(), left.size(), queries.k, queries.threads, distances.data(), ids.data()}, tick,
         visible());
    for (std::size_t i = 0; i < left.size(); ++i) {
        std::copy_n(distances.data() + i * queries.k, queries.k,
                    queries.distances + left[i] * queries.k);
        std::copy_n(ids.data() + i * queries.k, queries.k, queries.ids + left[i] * queries.k);
    }
}

RangeResult MultiIndex::range(const Queries& queries, float radius, const Tick& tick) const {
    const auto lock = reading();
    check_rows(format(), queries.rows, queries.count, "queries");
    std::vector<std::vector<TopK::Item>> found(queries.count);
    if (!(radius >= 0)) return {found, Space(format())};
    const auto most = static_cast<std::size_t>(
        std::min(std::floor(radius), static_cast<float>(8 * format().row_bytes)));
    const double limit = Probe::cost_of_scan(rows_, queries.count);
    const auto left = probe(queries, tick, [&](Probe& probe, std::size_t q) {
        std::vector<Ranked> near;
        const std::uint8_t* query = queries.rows + q * format().row_bytes;
        if (!probe.within(*made_, rows_, query, most, limit, near)) return false;
        for (const Ranked one : near) found[q].push_back({key_of(one), rows_.id(row_of(one))});
        order_bits(found[q], 8 * format().row_bytes);
        return true;
    });
    if (!left.empty()) {
        const std::vector<std::uint8_t> rows = gather(queries, left);
        auto rest =
            scan_within(rows_, {rows.data(), left.size(), 1, queries.threads, nullptr, nullptr},
                        radius, tick, visible());
        for (std::size_t i = 0; i < left.size(); ++i) found[left[i]] = std::move(rest[i]);
    }
    return {found, Space(format())};
}

void MultiIndex::after_fork_in_child() {
    FlatIndex::after_fork_in_child();
    renew(idle_lock_);
    renew(idle_);  // another thread may have been at it
}

}  // namespace bitgrove::graph
