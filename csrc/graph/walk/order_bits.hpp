// Orders what was found among codes by (distance, id). Distances are few whole numbers.
#pragma once
#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "topk.hpp"

namespace bitgrove::graph {

// No key is above `most`.
inline void order_bits(std::vector<TopK::Item>& found, std::size_t most) {
    if (found.size() < most) {
        std::sort(found.begin(), found.end());
        return;
    }
    std::vector<std::size_t> ends(most + 2, 0);  // of key - 1, then of key
    for (const TopK::Item& item : found) ++ends[item.key + 1];
    for (std::size_t key = 1; key < ends.size(); ++key) ends[key] += ends[key - 1];
    std::vector<TopK::Item> ordered(found.size());
    for (const TopK::Item& item : found) ordered[ends[item.key]++] = item;
    auto begin = ordered.begin();
    for (std::size_t key = 0; key <= most; ++key) {
        const auto end = ordered.begin() + static_cast<std::ptrdiff_t>(ends[key]);
        if (!std::is_sorted(begin, end)) std::sort(begin, end);  // rows of a scan mostly are
        begin = end;
    }
    found = std::move(ordered);
}

}  // namespace bitgrove::graph
