#include "tables.hpp"

#include <algorithm>
#include <bit>
#include <optional>

namespace bitgrove::graph {

SubstringTable::SubstringTable(const Substring& substring, const Rows& rows, std::size_t count)
    : substring_(substring),
      places_(std::clamp<std::size_t>(std::bit_width(count), 1,
                                      std::min(substring.width, std::size_t{31}))),
      starts_((std::size_t{1} << places_) + 1),
      members_(count) {
    std::vector<std::uint32_t> buckets(count);
    for (std::size_t r = 0; r < count; ++r) {
        buckets[r] = static_cast<std::uint32_t>(bucket(substring_.of(rows.row(r))));
        ++starts_[buckets[r] + 1];
    }
    for (std::size_t b = 1; b < starts_.size(); ++b) starts_[b] += starts_[b - 1];
    for (std::size_t r = count; r-- > 0;) {  // each end moves down to the start
        members_[--starts_[buckets[r] + 1]] = static_cast<Row>(r);
    }
    std::copy(starts_.begin() + 1, starts_.end(), starts_.begin());
    starts_.back() = static_cast<std::uint32_t>(count);
}

SubstringTables make_tables(const Rows& rows, std::size_t parts, std::size_t threads,
                            const Tick& tick) {
    const std::vector<Substring> substrings = cut(rows.format().dim, parts);
    std::vector<std::optional<SubstringTable>> made(parts);
    const auto work = [&](std::size_t begin, std::size_t end, std::size_t) {
        for (std::size_t i = begin; i < end; ++i) made[i].emplace(substrings[i], rows, rows.size());
    };
    parallel_blocks(parts, 1, threads, "tables", tick, work);
    SubstringTables all{rows.size(), {}};
    all.tables.reserve(parts);
    for (auto& table : made) all.tables.push_back(std::move(*table));
    return all;
}

}  // namespace bitgrove::graph
