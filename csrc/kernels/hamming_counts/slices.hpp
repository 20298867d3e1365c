// Counting in slices. Included inside a target region, after the region's `Words`:
//
//     struct Words {
//         using Lanes;
//         static constexpr std::size_t width;  // words; divides kCountWords
//         static Lanes load(const std::uint64_t*), set(std::uint64_t);
//         static void store(std::uint64_t*, Lanes);
//         static Lanes both(Lanes, Lanes), differ(Lanes, Lanes);
//         static Lanes without(Lanes x, Lanes y);         // x and not y
//         static Lanes odd(Lanes, Lanes, Lanes), two(Lanes, Lanes, Lanes);  // sum and carry
//         static bool any(Lanes);
//         static Lanes count(Lanes), plus(Lanes, Lanes);  // bits of each word; sums of such
//         static std::uint64_t total(Lanes);              // of all words
//     };
//
// Eight planes at a time go through seven full adders; what comes out as eights is added to planes
// of their own. A distance is then 8 * octave + (ones, twos, fours): octaves without a row are left
// out whole, and most are empty where codes are long.
//
// No include guard on purpose: the including file has it to itself.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "bitgrove/hamming_counts.hpp"

namespace bitgrove::hamming_counts {
namespace {

using Lanes = Words::Lanes;

// Adds y and z to the plane x; the carry comes back.
inline Lanes add(Lanes& x, Lanes y, Lanes z) {
    const Lanes carry = Words::two(x, y, z);
    x = Words::odd(x, y, z);
    return carry;
}

// Where marked rows are counted. With a mask, rows that it has go to the relevant ones.
struct Counters {
    std::uint64_t* others;
    std::uint64_t* relevant;
    std::uint8_t kind;
    Lanes mask;

    static void put(std::uint64_t* sums, std::size_t distance, Lanes rows) {
        std::uint64_t* at = sums + distance * kCountWords;
        Words::store(at, Words::plus(Words::load(at), Words::count(rows)));
    }
    // Rows at the distances from 8 * octave on: those of `rows` that `low` has.
    template <std::size_t N>
    void put_octave(std::size_t octave, Lanes rows, const Lanes (&low)[N], std::size_t n) const {
        if (kind == kSome) {
            const Lanes left = Words::without(rows, mask), right = Words::both(rows, mask);
            for (std::size_t i = 0; i < n; ++i) {
                put(others, 8 * octave + i, Words::both(left, low[i]));
                put(relevant, 8 * octave + i, Words::both(right, low[i]));
            }
            return;
        }
        std::uint64_t* sums = kind == kAll ? relevant : others;
        for (std::size_t i = 0; i < n; ++i) {
            put(sums, 8 * octave + i, Words::both(rows, low[i]));
        }
    }
};

// Splits rows by the planes of their octave, the highest first.
template <std::size_t H>
void octaves(const Lanes* high, Lanes rows, std::size_t octave, std::size_t last,
             const Lanes (&low)[8], const Counters& counters) {
    if (!Words::any(rows)) return;
    if constexpr (H == 0) {
        if (octave < last) {
            counters.put_octave(octave, rows, low, 8);
        } else {  // all bits differ
            counters.put_octave(octave, rows, low, 1);
        }
    } else {
        const Lanes upper = Words::both(rows, high[H - 1]);
        const Lanes lower = Words::without(rows, high[H - 1]);
        octaves<H - 1>(high, upper, 2 * octave + 1, last, low, counters);
        octaves<H - 1>(high, lower, 2 * octave, last, low, counters);
    }
}

// One register's width of rows; H planes hold as many eights as a row has bytes.
template <std::size_t H>
inline void rows_of_a_register(const HammingCounts& c, const std::uint64_t* planes,
                               const Counters& counters) {
    const Lanes zero = Words::set(0);
    Lanes ones = zero, twos = zero, fours = zero, high[H];
    for (auto& plane : high) plane = zero;
    for (std::size_t p = 0; p < 8 * c.bytes; p += 8) {
        Lanes x[8];
        for (std::size_t i = 0; i < 8; ++i) {
            x[i] = Words::differ(Words::load(planes + (p + i) * kCountWords),
                                 Words::set(c.flips[p + i]));
        }
        const Lanes a = add(ones, x[0], x[1]), b = add(ones, x[2], x[3]);
        const Lanes first = add(twos, a, b);
        const Lanes d = add(ones, x[4], x[5]), e = add(ones, x[6], x[7]);
        Lanes carry = add(fours, first, add(twos, d, e));
        for (std::size_t h = 0; h < H; ++h) {
            const Lanes up = Words::both(high[h], carry);
            high[h] = Words::differ(high[h], carry);
            carry = up;
        }
    }
    const Lanes all = Words::set(~std::uint64_t{0});
    Lanes low[8];
    low[7] = Words::both(fours, twos), low[5] = Words::without(fours, twos);
    low[3] = Words::without(twos, fours), low[1] = Words::without(Words::without(all, twos), fours);
    for (std::size_t i = 1; i < 8; i += 2) {
        low[i - 1] = Words::without(low[i], ones);
        low[i] = Words::both(low[i], ones);
    }
    octaves<H>(high, all, 0, c.bytes, low, counters);
}

inline void clear(std::uint64_t* sums, std::size_t distances) {
    std::fill_n(sums, distances * kCountWords, 0);
}

inline void add_up(const std::uint64_t* sums, std::size_t distances, std::uint32_t* counts) {
    for (std::size_t d = 0; d < distances; ++d) {
        Lanes sum = Words::load(sums + d * kCountWords);
        counts[d] += static_cast<std::uint32_t>(Words::total(sum));
    }
}

template <std::size_t H>
void blocks_of(const HammingCounts& c) {
    const std::size_t distances = 8 * c.bytes + 1;
    std::uint64_t* others = c.sums;
    std::uint64_t* relevant = c.sums + distances * kCountWords;
    const bool any_others =
        std::any_of(c.kinds, c.kinds + c.blocks, [](auto k) { return k != kAll; });
    const bool any_relevant =
        std::any_of(c.kinds, c.kinds + c.blocks, [](auto k) { return k != kNone; });
    if (any_others) clear(others, distances);
    if (any_relevant) clear(relevant, distances);
    const std::uint64_t* planes = c.planes;
    for (std::size_t b = 0; b < c.blocks; ++b, planes += 8 * c.bytes * kCountWords) {
        Counters counters{others, relevant, c.kinds[b], Words::set(0)};
        for (std::size_t w = 0; w < kCountWords; w += Words::width) {
            if (counters.kind == kSome) counters.mask = Words::load(c.mask + b * kCountWords + w);
            rows_of_a_register<H>(c, planes + w, counters);
        }
    }
    if (any_others) add_up(others, distances, c.others);
    if (any_relevant) add_up(relevant, distances, c.relevant);
}

inline void count(const HammingCounts& c) {
    static constexpr HammingCountsFn by_planes[] = {
        blocks_of<1>,  blocks_of<2>,  blocks_of<3>,  blocks_of<4>, blocks_of<5>,
        blocks_of<6>,  blocks_of<7>,  blocks_of<8>,  blocks_of<9>, blocks_of<10>,
        blocks_of<11>, blocks_of<12>, blocks_of<13>, blocks_of<14>};
    by_planes[std::bit_width(c.bytes) - 1](c);
}

}  // namespace
}  // namespace bitgrove::hamming_counts
