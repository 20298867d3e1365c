// Several queries of one thread in turns: while the rows that one of them needs are on their way
// from memory, the others compute.
#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "search.hpp"

namespace bitgrove::graph {

// Runs queries begin .. end, as many at a time as there are searches; start(search, q) begins one.
// Returns how many distances were computed.
template <typename Start>
std::size_t take_turns(std::span<std::unique_ptr<Search>> searches, std::size_t begin,
                       std::size_t end, Start start) {
    std::size_t computed = 0, next = begin;
    std::size_t busy = std::min(searches.size(), end - begin);  // the first ones have a query each
    for (std::size_t i = 0; i < busy; ++i) start(*searches[i], next++);
    for (std::size_t turn = 0; busy > 0; turn = turn + 1 < busy ? turn + 1 : 0) {
        Search& search = *searches[turn];
        if (search.advance()) continue;
        computed += search.computed();
        if (next < end) {
            start(search, next++);
        } else {
            std::swap(searches[turn], searches[--busy]);
        }
    }
    return computed;
}

}  // namespace bitgrove::graph
