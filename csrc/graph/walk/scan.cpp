#include "scan.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <vector>

#include "compare.hpp"
#include "nearest.hpp"
#include "order_bits.hpp"

namespace bitgrove::graph {
namespace {

constexpr std::size_t kQueries = 64;                 // that pass over a block of rows together
constexpr std::size_t kHeld = std::size_t{1} << 22;  // rows put down for all of them
constexpr std::size_t kShare = std::size_t{1}
                               << 20;     // bytes compared: less is no work for a thread
constexpr std::size_t kFirstBlock = 256;  // rows: all are put down, for want of a limit

std::size_t parts_of(std::size_t n, std::size_t some) {
    return (n + some - 1) / some;
}

// What the search of one group of queries among one part of the rows does again and again.
struct Task {
    const Rows& rows;
    const Queries& queries;
    const Allowed& allowed;
    std::size_t keep;  // min(k, rows)
    const std::int64_t* ids;
};

std::vector<Nearest> search(const Task& task, std::size_t q, std::size_t count, std::size_t begin,
                            std::size_t end, const Tick& tick) {
    const std::unique_ptr<Compare> compare =
        Compare::of(task.rows, task.queries.rows + q * task.rows.format().row_bytes, count);
    std::vector<Nearest> best;
    best.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        best.emplace_back(task.keep, compare->most_rows() + Compare::kSlack, task.ids);
    }
    std::vector<Key> limits(count);
    std::vector<Ranked*> ends(count);
    const auto refused = [&](Ranked found) { return !task.allowed(row_of(found)); };
    std::size_t some = kFirstBlock;
    for (std::size_t first = begin, block = 0; first < end; first += some, ++block) {
        if (block > 0) some *= 2;
        some = std::min(some, compare->most_rows());
        for (std::size_t i = 0; i < count; ++i) {
            limits[i] = best[i].limit();
            ends[i] = best[i].end();
        }
        compare->run(static_cast<Row>(first), std::min(some, end - first), limits.data(),
                     ends.data());
        for (std::size_t i = 0; i < count; ++i) {
            Ranked*& end = best[i].end();
            end = task.allowed.flags ? std::remove_if(end, ends[i], refused) : ends[i];
            best[i].settle();
        }
        if (tick && block % 8 == 7) tick(first, end, "search");
    }
    return best;
}

// Bits, by the kernel of the scan: as many at once as share what is read.
std::vector<std::vector<TopK::Item>> bits_within(const Rows& rows, const Queries& queries,
                                                 float radius, const Tick& tick,
                                                 const Allowed& allowed) {
    std::vector<std::vector<TopK::Item>> found(queries.count);
    const std::size_t count = std::min(rows.size(), allowed.limit);
    if (!(radius >= 0) || count == 0) return found;
    const std::size_t bytes = rows.format().row_bytes;
    const auto most = static_cast<Key>(std::min(std::floor(radius), static_cast<float>(8 * bytes)));
    const auto work = [&](std::size_t begin, std::size_t end, std::size_t) {
        const auto compare = Compare::of(rows, queries.rows + begin * bytes, end - begin);
        const std::size_t block = compare->most_rows(), room = block + Compare::kSlack;
        const std::vector<Key> limits(end - begin, most);
        std::vector<Ranked> near((end - begin) * room);
        std::vector<Ranked*> ends(end - begin);
        for (std::size_t first = 0; first < count; first += block) {
            for (std::size_t i = 0; i < ends.size(); ++i) ends[i] = near.data() + i * room;
            compare->run(static_cast<Row>(first), std::min(block, count - first), limits.data(),
                         ends.data());
            for (std::size_t i = 0; i < ends.size(); ++i) {
                for (const Ranked* one = near.data() + i * room; one < ends[i]; ++one) {
                    if (!allowed(row_of(*one))) continue;
                    found[begin + i].push_back({key_of(*one), rows.id(row_of(*one))});
                }
            }
        }
        for (std::size_t q = begin; q < end; ++q) order_bits(found[q], 8 * bytes);
    };
    parallel_blocks(queries.count, 16, queries.threads, "search", tick, work);
    return found;
}

}  // namespace

std::vector<std::vector<TopK::Item>> scan_within(const Rows& rows, const Queries& queries,
                                                 float radius, const Tick& tick,
                                                 const Allowed& allowed) {
    if (rows.format().dtype == Dtype::bits) {
        return bits_within(rows, queries, radius, tick, allowed);
    }
    const Space space(rows.format());
    std::vector<std::vector<TopK::Item>> found(queries.count);
    const auto work = [&](std::size_t begin, std::size_t end, std::size_t) {
        for (std::size_t q = begin; q < end; ++q) {
            const std::uint8_t* query = queries.rows + q * rows.format().row_bytes;
            for (std::size_t r = 0; r < std::min(rows.size(), allowed.limit); ++r) {
                if (!allowed(static_cast<Row>(r))) continue;
                const Key key = space.toward(query, rows.row(r));
                if (space.within(key, radius)) found[q].push_back({key, rows.id(r)});
            }
            std::sort(found[q].begin(), found[q].end());
        }
    };
    parallel_blocks(queries.count, 4, queries.threads, "search", tick, work);
    return found;
}

void write_found(std::span<const Ranked> found, const Space& space, const Queries& queries,
                 std::size_t q, const std::int64_t* ids) {
    float* distances = queries.distances + q * queries.k;
    std::int64_t* places = queries.ids + q * queries.k;
    for (std::size_t i = 0; i < found.size(); ++i) {
        distances[i] = space.reported(key_of(found[i]));
        places[i] = ids[row_of(found[i])];
    }
    std::fill(distances + found.size(), distances + queries.k, space.nowhere());
    std::fill(places + found.size(), places + queries.k, -1);
}

void scan(const Rows& rows, const Queries& queries, const Tick& tick, const Allowed& allowed) {
    const RowsView view = rows.view();
    const Space space(rows.format());
    const std::size_t count = std::min(rows.size(), allowed.limit);
    const Task task{rows, queries, allowed, std::min(queries.k, count), view.ids.get()};
    if (task.keep == 0 || queries.count == 0) {
        for (std::size_t q = 0; q < queries.count; ++q)
            write_found({}, space, queries, q, task.ids);
        return;
    }
    const std::size_t most = std::clamp<std::size_t>(kHeld / task.keep, 1, kQueries);
    const std::size_t groups = parts_of(queries.count, most);
    const std::size_t group = parts_of(queries.count, groups);
    const std::size_t worth = parts_of(count * rows.format().row_bytes * group, kShare);
    const std::size_t wanted = queries.threads > 1 ? parts_of(4 * queries.threads, groups) : 1;
    const std::size_t part = parts_of(count, std::min(wanted, worth));
    const std::size_t parts = parts_of(count, part);

    std::vector<std::vector<Nearest>> found(groups * parts);
    const auto work = [&](std::size_t begin, std::size_t, std::size_t worker) {
        const std::size_t q = begin / parts * group, row = begin % parts * part;
        const std::size_t some = std::min(group, queries.count - q);
        found[begin] =
            search(task, q, some, row, std::min(count, row + part), worker == 0 ? tick : Tick());
        if (parts > 1) return;
        for (std::size_t i = 0; i < some; ++i) {
            write_found(found[begin][i].sorted(), space, queries, q + i, task.ids);
        }
        found[begin].clear();
    };
    parallel_blocks(groups * parts, 1, queries.threads, "search", tick, work);
    if (parts == 1) return;
    const auto join = [&](std::size_t begin, std::size_t end, std::size_t) {
        for (std::size_t q = begin; q < end; ++q) {
            Nearest& best = found[q / group * parts][q % group];
            for (std::size_t p = 1; p < parts; ++p) {
                best.take(found[q / group * parts + p][q % group].sorted());
            }
            write_found(best.sorted(), space, queries, q, task.ids);
        }
    };
    parallel_blocks(queries.count, 16, queries.threads, "search", tick, join);
}

}  // namespace bitgrove::graph
