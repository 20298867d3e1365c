// Numbers are first rounded up to bytes on a common scale: the sum of the bytes is an upper bound
// of the score, and cheap. Only rows whose bound reaches the k-th best score so far are added up
// exactly.
#include "block_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "../../dispatch/table.hpp"
#include "../key.hpp"
#include "../walk/nearest.hpp"

namespace bitgrove::graph {
namespace {

constexpr std::size_t kGroupsAtOnce = 16;
constexpr std::size_t kRowsAtOnce = kGroupsAtOnce * kBlockGroup;
constexpr std::size_t kQueriesAtOnce = 16;

std::size_t parts_of(std::size_t n, std::size_t some) {
    return (n + some - 1) / some;
}

// The bytes of one query, and what they mean: score <= base + step * sum.
struct Bounds {
    std::vector<std::uint8_t> table;
    double base = 0, step = 0;

    Bounds(const float* query, const BlockRows& rows) : table(rows.blocks * 256) {
        double slack = 0;
        for (std::size_t m = 0; m < rows.blocks; ++m) {
            const auto [low, high] =
                std::minmax_element(query + m * rows.values, query + (m + 1) * rows.values);
            base += *low;
            step = std::max(step, (static_cast<double>(*high) - *low) / 255);
            slack += std::max(std::abs(static_cast<double>(*low)), std::abs(double{*high}));
        }
        // Sums in float32 err by at most half an ulp of what was added so far, each time.
        base += slack * static_cast<double>(rows.blocks) * std::numeric_limits<float>::epsilon();
        if (step == 0) return;
        for (std::size_t m = 0; m < rows.blocks; ++m) {
            const float* at = query + m * rows.values;
            const double low = *std::min_element(at, at + rows.values);
            for (std::size_t v = 0; v < rows.values; ++v) {
                const double places = std::ceil((at[v] - low) / step);
                table[m * 256 + v] = static_cast<std::uint8_t>(std::min(places, 255.0));
            }
        }
    }

    // Sums below this one belong to scores below the limit.
    std::uint32_t least(Key limit) const {
        if (limit == std::numeric_limits<Key>::max() || step == 0) return 0;
        const double least = std::floor((score_of_key(limit) - base) / step) - 1;
        return static_cast<std::uint32_t>(std::clamp(least, 0.0, 65535.0));
    }
};

float score(const float* query, const BlockRows& rows, std::size_t row) {
    const std::uint8_t* codes =
        rows.groups + row / kBlockGroup * rows.blocks * kBlockGroup + row % kBlockGroup;
    float sum = 0;
    for (std::size_t m = 0; m < rows.blocks; ++m) {
        sum += query[m * rows.values + codes[m * kBlockGroup]];
    }
    return sum;
}

// Groups begin .. end for some queries.
std::vector<Nearest> search(const BlockRows& rows, const BlockQueries& queries, std::size_t q,
                            std::size_t count, std::size_t begin, std::size_t end,
                            const Tick& tick) {
    const BlockScanFn scan = active().block_scan;
    const std::size_t width = rows.blocks * rows.values;
    const std::size_t keep = std::min(queries.k, rows.count);
    std::vector<Bounds> bounds;
    std::vector<Nearest> best;
    best.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        bounds.emplace_back(queries.rows + (q + i) * width, rows);
        best.emplace_back(keep, kRowsAtOnce, rows.ids);
    }
    std::vector<std::uint32_t> near(kRowsAtOnce + 1);
    for (std::size_t g = begin; g < end; g += kGroupsAtOnce) {
        const std::size_t some = std::min(kGroupsAtOnce, end - g);
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint32_t* const last =
                scan({.groups = rows.groups + g * rows.blocks * kBlockGroup,
                      .count = some,
                      .blocks = rows.blocks,
                      .values = rows.values,
                      .first = static_cast<std::uint32_t>(g * kBlockGroup),
                      .table = bounds[i].table.data(),
                      .least = bounds[i].least(best[i].limit()),
                      .end = near.data()});
            for (const std::uint32_t* row = near.data(); row < last; ++row) {
                if (*row >= rows.count) break;  // what the last group was filled up with
                const Key key = key_of_score(score(queries.rows + (q + i) * width, rows, *row));
                if (key <= best[i].limit()) *best[i].end()++ = ranked(key, *row);
            }
            best[i].settle();
        }
        if (tick) tick(g, end, "search");
    }
    return best;
}

void write(std::span<const Ranked> found, const BlockRows& rows, const BlockQueries& queries,
           std::size_t q) {
    float* scores = queries.scores + q * queries.k;
    std::int64_t* ids = queries.ids + q * queries.k;
    for (std::size_t i = 0; i < found.size(); ++i) {
        scores[i] = score_of_key(key_of(found[i]));
        ids[i] = rows.ids[row_of(found[i])];
    }
    std::fill(scores + found.size(), scores + queries.k, -std::numeric_limits<float>::infinity());
    std::fill(ids + found.size(), ids + queries.k, -1);
}

}  // namespace

void group_blocks(const std::uint8_t* codes, std::size_t count, std::size_t blocks,
                  std::uint8_t* groups) {
    const std::size_t padded = parts_of(count, kBlockGroup) * kBlockGroup;
    for (std::size_t r = 0; r < padded; ++r) {
        std::uint8_t* to = groups + r / kBlockGroup * blocks * kBlockGroup + r % kBlockGroup;
        for (std::size_t m = 0; m < blocks; ++m) {
            to[m * kBlockGroup] = r < count ? codes[r * blocks + m] : 0;
        }
    }
}

void search_blocks(const BlockRows& rows, const BlockQueries& queries, const Tick& tick) {
    if (rows.count == 0) {
        for (std::size_t q = 0; q < queries.count; ++q) write({}, rows, queries, q);
        return;
    }
    const std::size_t sets = parts_of(queries.count, kQueriesAtOnce);
    const std::size_t wanted =
        queries.threads > 1 ? parts_of(4 * queries.threads, std::max<std::size_t>(1, sets)) : 1;
    const std::size_t pieces = parts_of(rows.group_count(), kGroupsAtOnce);
    const std::size_t part = parts_of(pieces, std::min(wanted, pieces)) * kGroupsAtOnce;
    const std::size_t parts = parts_of(rows.group_count(), part);
    std::vector<std::vector<Nearest>> found(sets * parts);
    const auto work = [&](std::size_t at, std::size_t, std::size_t worker) {
        const std::size_t q = at / parts * kQueriesAtOnce, group = at % parts * part;
        found[at] = search(rows, queries, q, std::min(kQueriesAtOnce, queries.count - q), group,
                           std::min(rows.group_count(), group + part), worker == 0 ? tick : Tick());
    };
    parallel_blocks(sets * parts, 1, queries.threads, "search", tick, work);
    for (std::size_t q = 0; q < queries.count; ++q) {
        auto* const set = found.data() + q / kQueriesAtOnce * parts;
        Nearest& best = set[0][q % kQueriesAtOnce];
        for (std::size_t p = 1; p < parts; ++p) best.take(set[p][q % kQueriesAtOnce].sorted());
        write(best.sorted(), rows, queries, q);
    }
}

}  // namespace bitgrove::graph
