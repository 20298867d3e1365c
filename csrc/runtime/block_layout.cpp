#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>

#include "forest_layout.hpp"

namespace bitgrove::runtime {
namespace {

constexpr std::size_t group = 16;  // columns at a time
constexpr std::size_t most_buckets = 4096;

}  // namespace

std::optional<Columns> Columns::of(const Trees& trees, std::size_t most) {
    Columns made;
    std::map<std::int32_t, std::int32_t> numbers;
    for (std::int32_t feature : trees.feature) {
        numbers.emplace(feature, 0);
        if (numbers.size() > most) return {};
    }
    for (auto& [feature, number] : numbers) {
        number = static_cast<std::int32_t>(made.columns.size());
        made.columns.push_back({feature, {}});
    }
    for (std::size_t node = 0; node < trees.nodes(); ++node) {
        const std::int32_t number = numbers.at(trees.feature[node]);
        made.of_node.push_back(number);
        made.columns[static_cast<std::size_t>(number)].sorted.push_back(trees.threshold[node]);
    }
    for (Column& column : made.columns) {
        auto& all = column.sorted;
        std::sort(all.begin(), all.end());
        all.erase(std::unique(all.begin(), all.end()), all.end());
        made.most_thresholds = std::max(made.most_thresholds, all.size());
    }
    return made;
}

RankLayout::RankLayout(const Columns& columns) {
    const std::size_t count = (columns.columns.size() + group - 1) / group * group;
    steps_.assign(count / group, 0);
    std::vector<std::vector<float>> thresholds;
    for (std::size_t c = 0; c < count; ++c) {
        // What fills up the last sixteen columns has no threshold and reads what the first reads.
        const bool real = c < columns.columns.size();
        const auto sorted = real ? columns.columns[c].sorted : std::vector<float>{};
        feature_.push_back(columns.columns[real ? c : 0].feature);
        const float low = sorted.empty() ? 0 : sorted.front();
        const float range = sorted.empty() ? 0 : sorted.back() - low;
        std::size_t buckets =
            std::min(most_buckets, std::bit_ceil(std::max<std::size_t>(1, 4 * sorted.size())));
        float scale = static_cast<float>(buckets) / range;
        if (!std::isfinite(range) || !std::isfinite(scale) || scale == 0) scale = 0, buckets = 1;
        offset_.push_back(low);
        scale_.push_back(scale);
        last_bucket_.push_back(static_cast<float>(buckets - 1));
        // The kernels' arithmetic; it never decreases, so that thresholds of lower buckets are
        // below x, and those of higher buckets are not.
        std::vector<std::size_t> held(buckets, 0);
        for (float t : sorted) {
            const float place = (t - low) * scale;
            const float cut = std::fmin(std::fmax(place, 0.0f), last_bucket_.back());
            ++held[static_cast<std::size_t>(static_cast<int>(cut))];
        }
        first_start_.push_back(static_cast<std::int32_t>(start_.size()));
        std::size_t before = 0, most = 0;
        for (std::size_t n : held) {
            start_.push_back(static_cast<std::int32_t>(before));
            before += n;
            most = std::max(most, n);
        }
        auto& steps = steps_[c / group];
        steps = std::max(steps, static_cast<std::uint8_t>(std::bit_width(most)));
        thresholds.push_back(sorted);
    }
    for (std::size_t c = 0; c < count; ++c) {
        first_sorted_.push_back(static_cast<std::int32_t>(sorted_.size()));
        sorted_.insert(sorted_.end(), thresholds[c].begin(), thresholds[c].end());
        sorted_.insert(sorted_.end(), std::size_t{1} << steps_[c / group],
                       std::numeric_limits<float>::infinity());
    }
}

RankTables RankLayout::view() const {
    return {feature_.data(),     offset_.data(),       scale_.data(), last_bucket_.data(),
            first_start_.data(), first_sorted_.data(), steps_.data(), start_.data(),
            sorted_.data(),      feature_.size()};
}

std::size_t RankLayout::bytes() const {
    return 28 * feature_.size() + 4 * (start_.size() + sorted_.size());
}

namespace {

// Of each node, the nodes of the longest way down from it, itself included.
std::vector<std::int32_t> heights_of(const Trees& trees) {
    std::vector<std::int32_t> heights(trees.nodes()), order;
    for (std::int32_t root : trees.root) {
        if (root >= 0) order.push_back(root);
    }
    for (std::size_t i = 0; i < order.size(); ++i) {
        for (std::size_t side : {0, 1}) {
            const std::int32_t child =
                trees.children[2 * static_cast<std::size_t>(order[i]) + side];
            if (child >= 0) order.push_back(child);
        }
    }
    for (std::size_t i = order.size(); i-- > 0;) {  // children before their parents
        const auto node = static_cast<std::size_t>(order[i]);
        std::int32_t below = 0;
        for (std::size_t side : {0, 1}) {
            const std::int32_t child = trees.children[2 * node + side];
            if (child >= 0) below = std::max(below, heights[static_cast<std::size_t>(child)]);
        }
        heights[node] = below + 1;
    }
    return heights;
}

constexpr std::int32_t nowhere = std::numeric_limits<std::int32_t>::min();

}  // namespace

template <class Rank>
BlockLayout<Rank>::BlockLayout(const Trees& trees, const Columns& columns) {
    const std::vector<std::int32_t> heights = heights_of(trees);
    Open open, next;
    for (std::int32_t root : trees.root) {
        if (root < 0) {
            root_.push_back(root);
            continue;
        }
        root_.push_back(block_of(trees, columns, heights, root, open));
        while (!open.empty()) {
            next.clear();
            for (const auto& [node, place] : open) {
                exits_[place] = block_of(trees, columns, heights, node, next);
            }
            std::swap(open, next);
        }
    }
}

// The first block of a tree has the levels that are left over, so that the many at its leaves are
// full.
template <class Rank>
std::int32_t BlockLayout<Rank>::block_of(const Trees& trees, const Columns& columns,
                                         const std::vector<std::int32_t>& heights,
                                         std::int32_t root, Open& open) {
    const std::size_t base = column_.size();
    column_.resize(base + 32, 0);
    rank_.resize(base + 32, std::numeric_limits<Rank>::max());
    exits_.resize(base + 32, -1);
    const auto levels =
        static_cast<std::size_t>((heights[static_cast<std::size_t>(root)] - 1) % 5 + 1);
    std::int32_t at[64] = {};
    at[1] = root;
    for (std::size_t i = 1; i < 32; ++i) {
        if (at[i] < 0 || static_cast<std::size_t>(std::bit_width(i)) >
                             levels) {  // every row goes on to the left
            at[2 * i] = at[i];
            at[2 * i + 1] = nowhere;
            continue;
        }
        const auto node = static_cast<std::size_t>(at[i]);
        const auto column = static_cast<std::size_t>(columns.of_node[node]);
        const auto& sorted = columns.columns[column].sorted;
        const auto rank =
            std::lower_bound(sorted.begin(), sorted.end(), trees.threshold[node]) - sorted.begin();
        column_[base + i] = static_cast<Rank>(column);
        rank_[base + i] = static_cast<Rank>(rank);
        for (std::size_t side : {0, 1}) at[2 * i + side] = trees.children[2 * node + side];
    }
    for (std::size_t i = 0; i < 32; ++i) {
        if (at[32 + i] >= 0) {
            open.emplace_back(at[32 + i], base + i);
        } else if (at[32 + i] != nowhere) {
            exits_[base + i] = at[32 + i];
        }
    }
    return static_cast<std::int32_t>(base / 32);
}

template class BlockLayout<std::uint8_t>;
template class BlockLayout<std::uint16_t>;

}  // namespace bitgrove::runtime
