// Choosing and ordering many ranked rows without a branch that depends on them.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "../key.hpp"

namespace bitgrove::graph {

// Throws rows away so that at least `k` remain: all of the nearest, and no others than those up to
// a key, which is returned. A sample says which key leaves a few per cent more than `k`; where many
// rows are at one distance it leaves more. `end` is moved; there are `k` rows or more.
inline Key thin(Ranked* first, Ranked*& end, std::size_t k) {
    constexpr std::size_t kSample = 256, kSpare = 16;
    const std::size_t held = static_cast<std::size_t>(end - first);
    std::array<Key, kSample> sample;
    for (std::size_t i = 0; i < kSample; ++i) sample[i] = key_of(first[i * held / kSample]);
    const std::size_t rank = std::min(kSample * k / held + kSpare, kSample - 1);
    std::nth_element(sample.begin(), sample.begin() + rank, sample.end());
    const Key limit = sample[rank];
    std::size_t near = 0;
    for (const Ranked* r = first; r != end; ++r) near += key_of(*r) <= limit;
    if (near < k) return key_of(*std::max_element(first, end));  // an odd sample
    Ranked* out = first;
    for (const Ranked* r = first; r != end; ++r) {
        const Ranked row = *r;
        *out = row;
        out += key_of(row) <= limit;
    }
    end = out;
    return limit;
}

// Orders rows by key; those of one key stay in any order. `spare` has room for all of them.
inline void order_by_key(Ranked* first, Ranked* end, Ranked* spare) {
    constexpr int kDigits = 3, kBits = 11;
    constexpr std::size_t kValues = std::size_t{1} << kBits, kWorth = 2000;
    const std::size_t count = static_cast<std::size_t>(end - first);
    if (count < kWorth) {
        std::sort(first, end);
        return;
    }
    const auto digit = [](Ranked r, int place) {
        return (key_of(r) >> (place * kBits)) & (kValues - 1);
    };
    std::array<std::array<std::uint32_t, kValues>, kDigits> starts{};
    for (const Ranked* r = first; r != end; ++r) {
        for (int place = 0; place < kDigits; ++place) ++starts[place][digit(*r, place)];
    }
    Ranked *from = first, *to = spare;
    for (int place = 0; place < kDigits; ++place) {
        auto& start = starts[place];
        if (start[digit(*from, place)] == count) continue;  // they are all the same here
        std::uint32_t sum = 0;
        for (std::uint32_t& each : start) sum += std::exchange(each, sum);
        for (std::size_t i = 0; i < count; ++i) to[start[digit(from[i], place)]++] = from[i];
        std::swap(from, to);
    }
    if (from != first) std::copy(from, from + count, first);
}

}  // namespace bitgrove::graph
