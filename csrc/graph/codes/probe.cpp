#include "probe.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "../../dispatch/table.hpp"

namespace bitgrove::graph {
namespace {

constexpr std::size_t kBuckets = 64;   // looked up together, so that their memory comes together
constexpr double kBucketCost = 12;     // in words that a scan passes over
constexpr double kCandidateCost = 36;  // a row, besides its words

double words_of(const Rows& rows) {
    return static_cast<double>((rows.format().row_bytes + 7) / 8);
}

// n over k, never too small.
double choices(std::size_t n, std::size_t k) {
    double product = 1;
    for (std::size_t i = 0; i < std::min(k, n - k); ++i) {
        product *= static_cast<double>(n - i) / static_cast<double>(i + 1);
    }
    return product;
}

// The next larger number with as many ones.
std::uint64_t next_mask(std::uint64_t mask) {
    const std::uint64_t low = mask & (~mask + 1), sum = mask + low;
    return sum | ((mask ^ sum) / low) >> 2;
}

}  // namespace

double Probe::cost_of_scan(const Rows& rows, std::size_t queries) {
    // Less than all of it, since what was spent in vain comes on top; several queries share what a
    // scan reads.
    const double each = queries > 4 ? 0.4 : 0.7;
    return each * words_of(rows) * static_cast<double>(rows.size());
}

void Probe::begin(const SubstringTables& tables, const Rows& rows, const std::uint8_t* query,
                  double limit) {
    rows_ = &rows;
    query_ = query;
    left_ = limit;
    values_.clear();
    for (const SubstringTable& table : tables.tables) {
        values_.push_back(table.substring().of(query));
    }
    met_.assign(tables.tables.size(), 0);
    seen_.reset(tables.rows);
}

template <typename Found>
void Probe::measure(std::span<const Row> rows, Found found) {
    const std::size_t bytes = rows_->format().row_bytes;
    if (keys_.size() < rows.size()) keys_.resize(rows.size());
    active().distance_rows.hamming(query_, rows_->row(0), bytes, rows.data(), rows.size(), bytes,
                                   keys_.data());
    for (std::size_t i = 0; i < rows.size(); ++i) found(keys_[i], rows[i]);
}

template <typename Found>
void Probe::tail(const SubstringTables& tables, Found found) {
    members_.clear();
    for (std::size_t r = tables.rows; r < rows_->size(); ++r) {
        members_.push_back(static_cast<Row>(r));
    }
    left_ -= words_of(*rows_) * static_cast<double>(members_.size());
    measure(members_, found);
}

template <typename Found>
bool Probe::ring(const SubstringTables& tables, std::size_t part, std::size_t distance,
                 Found found) {
    const SubstringTable& table = tables.tables[part];
    const std::size_t width = table.substring().width;
    if (distance > width) return true;
    const double masks = choices(width, distance), row_cost = kCandidateCost + words_of(*rows_);
    if (distance > 0) {  // a ring holds more than the one before
        met_[part] *= masks / choices(width, distance - 1);
    }
    if (masks * kBucketCost + met_[part] * row_cost > left_) return false;
    met_[part] = 0;
    auto to_do = static_cast<std::size_t>(masks + 0.5);
    std::uint64_t mask = distance == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << distance) - 1;
    std::array<std::size_t, kBuckets> buckets;
    while (to_do > 0) {
        const std::size_t some = std::min(kBuckets, to_do);
        to_do -= some;
        for (std::size_t i = 0; i < some; ++i) {
            buckets[i] = table.bucket(values_[part] ^ mask);
            __builtin_prefetch(table.start(buckets[i]));
            if (i + 1 < some || to_do > 0) mask = next_mask(mask);
        }
        std::array<std::span<const Row>, kBuckets> runs;
        std::size_t filled = 0, total = 0;
        for (std::size_t i = 0; i < some; ++i) {
            const std::uint32_t* const start = table.start(buckets[i]);
            if (start[0] == start[1]) continue;
            runs[filled++] = {table.member(start[0]), start[1] - start[0]};
            total += start[1] - start[0];
            __builtin_prefetch(table.member(start[0]));
        }
        met_[part] += static_cast<double>(total);
        left_ -= static_cast<double>(some) * kBucketCost + static_cast<double>(total) * row_cost;
        if (left_ < 0) return false;
        members_.clear();
        for (std::size_t i = 0; i < filled; ++i) {
            members_.insert(members_.end(), runs[i].begin(), runs[i].end());
        }
        const std::span<const Row> fresh = seen_.insert(members_, tables.rows);
        for (const Row row : fresh) __builtin_prefetch(rows_->row(row));
        measure(fresh, found);
    }
    return true;
}

bool Probe::nearest(const SubstringTables& tables, const Rows& rows, const std::uint8_t* query,
                    std::size_t k, double limit, Nearest& best) {
    begin(tables, rows, query, limit);
    const std::size_t parts = tables.tables.size();
    at_.assign(8 * rows.format().row_bytes + 1, 0);
    std::size_t put_down = 0;
    const auto found = [&](Key key, Row row) {
        ++at_[key];
        if (key > best.limit()) return;
        *best.end()++ = ranked(key, row);
        if (++put_down == kPutDown) {
            best.settle();
            put_down = 0;
        }
    };
    tail(tables, found);
    std::size_t complete = 0;  // rows within the radius
    for (std::size_t radius = 0; radius <= rows.format().dim; ++radius) {
        if (!ring(tables, radius % parts, radius / parts, found)) return false;
        best.settle();
        put_down = 0;
        complete += at_[radius];
        if (complete >= k) return true;
    }
    return true;
}

bool Probe::within(const SubstringTables& tables, const Rows& rows, const std::uint8_t* query,
                   std::size_t radius, double limit, std::vector<Ranked>& all) {
    begin(tables, rows, query, limit);
    const std::size_t parts = tables.tables.size();
    double buckets = 0;
    for (std::size_t part = 0; part < parts; ++part) {
        const std::size_t width = tables.tables[part].substring().width;
        for (std::size_t d = 0; d <= width && parts * d + part <= radius; ++d) {
            buckets += choices(width, d);
        }
    }
    if (buckets * kBucketCost > left_) return false;
    const auto found = [&](Key key, Row row) {
        if (key <= radius) all.push_back(ranked(key, row));
    };
    tail(tables, found);
    for (std::size_t r = 0; r <= std::min(radius, rows.format().dim); ++r) {
        if (!ring(tables, r % parts, r / parts, found)) return false;
    }
    return true;
}

}  // namespace bitgrove::graph
