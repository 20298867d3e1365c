#include "clusters.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "../../dispatch/table.hpp"
#include "../random.hpp"
#include "../walk/scan.hpp"

namespace bitgrove::graph {
namespace {

constexpr std::size_t kGroup = 64;        // rows that the scan takes at once
constexpr std::size_t kScanRows = 2048;   // of one call
constexpr std::size_t kAhead = 2;         // stretches that are asked for early
constexpr std::size_t kAsked = 1024;      // bytes of each; the CPU asks for those that follow
constexpr std::size_t kEarly = 4096;      // bytes ahead that a scan asks for
constexpr std::size_t kRounds = 6;        // of better centres
constexpr std::size_t kSample = 64;       // rows for each of them
constexpr std::size_t kAssigned = 65536;  // rows at a time

struct Assigned {
    std::vector<std::uint32_t> cluster;
    std::vector<std::uint16_t> distance;
};

// Rows r(0), r(1), ..., r(count - 1), to the nearest of the centres; ties to the first.
template <typename RowAt>
Assigned assign(const Rows& rows, const Rows& centres, std::size_t count, RowAt r,
                std::size_t threads, const Tick& tick) {
    const std::size_t bytes = rows.format().row_bytes;
    Assigned all{std::vector<std::uint32_t>(count), std::vector<std::uint16_t>(count)};
    const std::size_t most = std::min(count, kAssigned);
    std::vector<std::uint8_t> some(most * bytes);
    std::vector<float> distances(most);
    std::vector<std::int64_t> ids(most);
    for (std::size_t from = 0; from < count; from += most) {
        const std::size_t here = std::min(most, count - from);
        for (std::size_t i = 0; i < here; ++i) {
            std::memcpy(some.data() + i * bytes, rows.row(r(from + i)), bytes);
        }
        scan(centres, {some.data(), here, 1, threads, distances.data(), ids.data()}, {});
        for (std::size_t i = 0; i < here; ++i) {
            all.cluster[from + i] = static_cast<std::uint32_t>(ids[i]);
            all.distance[from + i] = static_cast<std::uint16_t>(distances[i]);
        }
        if (tick) tick(from + here, count, "clusters");
    }
    return all;
}

// Of a file that was not verified, rows may have padding bits; centres must not.
Rows held(const Format& format, std::vector<std::uint8_t>& codes) {
    if (const std::size_t rest = format.dim % 8; rest != 0) {
        for (std::size_t last = format.row_bytes - 1; last < codes.size();
             last += format.row_bytes) {
            codes[last] &= static_cast<std::uint8_t>(0xff00 >> rest);
        }
    }
    Rows rows(format);
    rows.append(codes.data(), codes.size() / format.row_bytes, nullptr);
    return rows;
}

// The majority of each bit; where it is even, and where there is no row, the bit stays.
void move_to_majority(std::vector<std::uint8_t>& centres, const Rows& rows, std::size_t stride,
                      const Assigned& assigned) {
    const std::size_t bytes = rows.format().row_bytes, count = centres.size() / bytes;
    std::vector<std::int32_t> sums(8 * centres.size());
    for (std::size_t i = 0; i < assigned.cluster.size(); ++i) {
        const std::uint8_t* row = rows.row(i * stride);
        std::int32_t* sum = sums.data() + assigned.cluster[i] * 8 * bytes;
        for (std::size_t b = 0; b < 8 * bytes; ++b)
            sum[b] += (row[b / 8] >> (7 - b % 8) & 1) * 2 - 1;
    }
    for (std::size_t b = 0; b < count * 8 * bytes; ++b) {
        const auto bit = static_cast<std::uint8_t>(0x80 >> b % 8);
        if (sums[b] > 0) centres[b / 8] |= bit;
        if (sums[b] < 0) centres[b / 8] &= static_cast<std::uint8_t>(~bit);
    }
}

}  // namespace

std::size_t best_clusters(std::size_t rows) {
    return std::max<std::size_t>(
        1, static_cast<std::size_t>(0.4 * std::sqrt(static_cast<double>(rows))));
}

Clusters make_clusters(const Rows& rows, std::size_t count, std::size_t threads, const Tick& tick) {
    const std::size_t n = rows.size(), bytes = rows.format().row_bytes;
    count = std::min(count, n);
    Clusters made{n, bytes, {}, {0}, {}, {}, {}, {0}, {}};
    if (n == 0) return made;
    made.centres.resize(count * bytes);
    Random random(0);
    for (std::size_t c = 0; c < count; ++c) {
        const std::size_t from = c * n / count, to = (c + 1) * n / count;
        const std::size_t row = from + random.below(static_cast<std::uint32_t>(to - from));
        std::memcpy(made.centres.data() + c * bytes, rows.row(row), bytes);
    }
    const std::size_t stride = std::max<std::size_t>(1, n / (kSample * count));
    for (std::size_t round = 0; round < kRounds; ++round) {
        const auto sampled = [stride](std::size_t i) { return i * stride; };
        const Rows centres = held(rows.format(), made.centres);
        move_to_majority(made.centres, rows, stride,
                         assign(rows, centres, n / stride, sampled, threads, tick));
    }
    const auto every = [](std::size_t i) { return i; };
    const Assigned assigned =
        assign(rows, held(rows.format(), made.centres), n, every, threads, tick);
    std::vector<std::pair<std::uint64_t, Row>> sorted(n);
    for (std::size_t r = 0; r < n; ++r) {
        sorted[r] = {static_cast<std::uint64_t>(assigned.cluster[r]) << 16 | assigned.distance[r],
                     static_cast<Row>(r)};
    }
    std::sort(sorted.begin(), sorted.end());
    made.members.resize(n);
    made.codes.resize((n + kGroup) * bytes);
    made.starts.assign(count + 1, 0);
    for (std::size_t i = 0; i < n; ++i) {
        made.members[i] = sorted[i].second;
        std::memcpy(made.codes.data() + i * bytes, rows.row(sorted[i].second), bytes);
        ++made.starts[(sorted[i].first >> 16) + 1];
    }
    for (std::size_t c = 0; c < count; ++c) {
        made.starts[c + 1] += made.starts[c];
        const auto far = [&](std::size_t i) { return static_cast<std::uint16_t>(sorted[i].first); };
        for (std::size_t i = made.starts[c]; i < made.starts[c + 1]; i += Clusters::kRun) {
            made.distances.push_back(far(i));
        }
        Clusters::Span span{1, 0};
        if (made.starts[c] < made.starts[c + 1]) {
            span = {far(made.starts[c]), far(made.starts[c + 1] - 1)};
            made.distances.push_back(span.most);
        }
        made.spans.push_back(span);
        made.runs.push_back(static_cast<std::uint32_t>(made.distances.size()));
    }
    return made;
}

ClusterSearch::ClusterSearch(const Clusters& clusters)
    : clusters_(clusters),
      query_((clusters.bytes + 7) / 8),
      found_(std::max(clusters.count() + kScanSlack, kPutDown)),
      order_(clusters.count()),
      at_(8 * clusters.bytes + 2) {}

void ClusterSearch::order(const std::uint8_t* query) {
    std::memcpy(query_.data(), query, clusters_.bytes);
    const std::uint32_t every = 0xffffffffu;
    std::uint64_t* end = found_.data();
    active().hamming_scan({.rows = clusters_.centres.data(),
                           .bytes = clusters_.bytes,
                           .count = clusters_.count(),
                           .first = 0,
                           .queries = query_.data(),
                           .n = 1,
                           .limits = &every,
                           .ends = &end});
    std::fill(at_.begin(), at_.end(), 0);
    for (const Ranked* one = found_.data(); one < end; ++one) ++at_[key_of(*one) + 1];
    for (std::size_t d = 1; d < at_.size(); ++d) at_[d] += at_[d - 1];
    for (const Ranked* one = found_.data(); one < end; ++one) order_[at_[key_of(*one)]++] = *one;
}

// Whether a row of the cluster may be within the limit.
bool ClusterSearch::may_hold(Ranked cluster, Key limit) const {
    const Clusters::Span span = clusters_.spans[row_of(cluster)];
    const std::uint64_t far = key_of(cluster);
    return far <= std::uint64_t{span.most} + limit && span.least <= far + limit;
}

ClusterSearch::Stretch ClusterSearch::stretch(Ranked cluster, Key limit) const {
    const std::size_t c = row_of(cluster), begin = clusters_.starts[c],
                      end = clusters_.starts[c + 1];
    if (begin == end || !may_hold(cluster, limit)) return {begin, begin};
    const std::uint64_t far = key_of(cluster), high = far + limit,
                        low = far - std::min<Key>(far, limit);
    const std::uint16_t* first = clusters_.distances.data() + clusters_.runs[c];
    const std::uint16_t* last = clusters_.distances.data() + clusters_.runs[c + 1] - 1;
    // A run holds the distances from its own to the next one's.
    const std::uint16_t* from = std::lower_bound(first + 1, last, low) - 1;
    const std::uint16_t* to = std::max(from + 1, std::upper_bound(from, last, high));
    return {begin + static_cast<std::size_t>(from - first) * Clusters::kRun,
            std::min(end, begin + static_cast<std::size_t>(to - first) * Clusters::kRun)};
}

// The next rows of a stretch to pass over at once. Where the scan would ask for rows behind the
// stretch, the last ones go alone.
ClusterSearch::Stretch ClusterSearch::piece(Stretch some) const {
    const std::size_t left = some.end - some.begin, early = kEarly / clusters_.bytes + kGroup;
    const std::size_t all = left > early ? (left - early) / kGroup * kGroup : 0;
    return {some.begin, some.begin + std::min(kScanRows, all ? all : left)};
}

// Whole groups, since those are quick; what lies behind the piece is thrown away.
Ranked* ClusterSearch::scan(Stretch some, std::size_t stretch_end, Key limit, Ranked* end) {
    Ranked* const first = end;
    active().hamming_scan({.rows = clusters_.codes.data() + some.begin * clusters_.bytes,
                           .bytes = clusters_.bytes,
                           .count = (some.end - some.begin + kGroup - 1) / kGroup * kGroup,
                           .first = static_cast<std::uint32_t>(some.begin),
                           .queries = query_.data(),
                           .n = 1,
                           .limits = &limit,
                           .ends = &end,
                           .goes_on = some.end < stretch_end});
    Ranked* kept = first;
    for (const Ranked* one = first; one < end; ++one) {
        if (row_of(*one) >= some.end) continue;
        *kept++ = ranked(key_of(*one), clusters_.members[row_of(*one)]);
    }
    return kept;
}

// Stretches wait a little between being asked for and being passed over; what was found meanwhile
// makes them shorter.
void ClusterSearch::nearest(const std::uint8_t* query, Nearest& best) {
    order(query);
    Ranked waiting[kAhead];
    std::size_t put = 0, taken = 0, next = 0;
    for (;;) {
        while (put < taken + kAhead && next < order_.size()) {
            const Ranked cluster = order_[next++];
            if (!may_hold(cluster, best.limit())) continue;
            const Stretch some = stretch(cluster, best.limit());
            const std::uint8_t* from = clusters_.codes.data() + some.begin * clusters_.bytes;
            const std::size_t bytes = std::min(kAsked, (some.end - some.begin) * clusters_.bytes);
            for (std::size_t at = 0; at < bytes; at += 64) __builtin_prefetch(from + at);
            waiting[put++ % kAhead] = cluster;
        }
        if (taken == put) return;
        Stretch some = stretch(waiting[taken++ % kAhead], best.limit());
        while (some.begin < some.end) {
            const Stretch now = piece(some);
            Ranked*& end = best.end();
            Ranked* const before = end;
            end = scan(now, some.end, best.limit(), end);
            if (end != before) best.tighten();
            some.begin = now.end;
        }
    }
}

void ClusterSearch::within(const std::uint8_t* query, Key radius, std::vector<Ranked>& found) {
    order(query);
    std::vector<Ranked> near(kPutDown);
    for (const Ranked cluster : order_) {
        Stretch some = stretch(cluster, radius);
        while (some.begin < some.end) {
            const Stretch now = piece(some);
            const Ranked* end = scan(now, some.end, radius, near.data());
            found.insert(found.end(), static_cast<const Ranked*>(near.data()), end);
            some.begin = now.end;
        }
    }
}

}  // namespace bitgrove::graph
