// The scan over words of any width. Included inside a target region, after the region's `Words`:
//
//     struct Words {
//         using Lanes;                          // width words, one of each of as many rows
//         static constexpr std::size_t width;   // divides kGroup
//         static Lanes load(const std::uint64_t*), set(std::uint64_t);
//         static Lanes count(Lanes, Lanes);     // bits that differ, in parts of a lane
//         static Lanes add(Lanes, Lanes);       // of such parts; they hold up to 16 words
//         static Lanes total(Lanes);            // their sum for each lane
//         static Lanes plus(Lanes, Lanes), least(Lanes, Lanes);  // of totals
//         static bool any(Lanes totals, Lanes limit);            // at most the limit
//         static Lanes limit(std::uint32_t);
//         // W words of each of `width` rows, word by word: the rows come in the order named.
//         template <std::size_t W> static void turn(const std::uint8_t* rows, Lanes (&out)[W]);
//         template <std::size_t W> static constexpr std::size_t order[width];
//     };
//
// Distances are looked at kGroup rows at a time: only the least of them is compared with the limit,
// which costs no more than the sum of a popcount would. Where it is near enough, which is rare once
// a few rows are held, the group is done once more and its rows are taken one by one.
//
// No include guard on purpose: the including file has it to itself.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bitgrove/hamming_scan.hpp"

namespace bitgrove::hamming_scan {
namespace {

constexpr std::size_t kGroup = 64;           // rows
constexpr std::size_t kScratchWords = 4096;  // 32 KiB: rows turned stay in the nearest cache
constexpr std::size_t kVectors = kGroup / Words::width;
constexpr std::size_t kFewQueries = 4;
constexpr std::size_t kEarly = 4096;  // bytes ahead

using Lanes = Words::Lanes;

// Brings memory nearer; it need not be ours.
inline void ask(const std::uint8_t* from, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + i);
}

// Where a vector of rows comes from: rows as they are held, turned in registers. Rows to come are
// asked for early where one pass is all: to find a near row is to guess a branch wrong, and what
// the CPU had asked for behind it is late.
template <std::size_t W, bool EARLY>
struct Held {
    const std::uint8_t* rows;
    void load(std::size_t vector, Lanes (&out)[W]) const {
        constexpr std::size_t bytes = Words::width * W * 8;
        Words::turn<W>(rows + vector * bytes, out);
        if constexpr (EARLY) ask(rows + vector * bytes + kEarly, bytes);
    }
};

// Or rows that were turned before: [vector][word][row].
template <std::size_t W>
struct Turned {
    const std::uint64_t* words;
    void load(std::size_t vector, Lanes (&out)[W]) const {
        for (std::size_t w = 0; w < W; ++w) {
            out[w] = Words::load(words + (vector * W + w) * Words::width);
        }
    }
};

// The rows of one group: the first of them, how many are true ones, and their order in a vector.
struct Group {
    std::uint32_t first;
    std::size_t count;
    const std::size_t* order;
};

inline void take(Lanes distances, std::size_t vector, const Group& group, std::uint32_t limit,
                 std::uint64_t*& end) {
    if (!Words::any(distances, Words::limit(limit))) return;
    alignas(64) std::uint64_t lanes[Words::width];
    Words::store(lanes, distances);
    for (std::size_t i = 0; i < Words::width; ++i) {
        const std::size_t row = vector * Words::width + group.order[i];
        *end = lanes[i] << 32 | (group.first + row);
        end += lanes[i] <= limit && row < group.count;
    }
}

template <std::size_t W>
inline Lanes distances(const Lanes (&rows)[W], const Lanes (&query)[W]) {
    Lanes sum = Words::count(rows[0], query[0]);
    for (std::size_t w = 1; w < W; ++w) sum = Words::add(sum, Words::count(rows[w], query[w]));
    return Words::total(sum);
}

// Q queries at once over all groups of `count` rows.
template <std::size_t Q, std::size_t W, typename Source>
void pass(const HammingScan& s, std::size_t q, Source source, Group group, std::size_t count) {
    Lanes query[Q][W], limit[Q];
    for (std::size_t i = 0; i < Q; ++i) {
        limit[i] = Words::limit(s.limits[q + i]);
        for (std::size_t w = 0; w < W; ++w) query[i][w] = Words::set(s.queries[(q + i) * W + w]);
    }
    for (std::size_t done = 0; done < count; done += kGroup) {
        const std::size_t vector = done / Words::width;
        Lanes least[Q], rows[W];
        source.load(vector, rows);
        for (std::size_t i = 0; i < Q; ++i) least[i] = distances<W>(rows, query[i]);
        for (std::size_t v = 1; v < kVectors; ++v) {
            source.load(vector + v, rows);
            for (std::size_t i = 0; i < Q; ++i) {
                least[i] = Words::least(least[i], distances<W>(rows, query[i]));
            }
        }
        for (std::size_t i = 0; i < Q; ++i) {
            if (!Words::any(least[i], limit[i])) continue;
            for (std::size_t v = 0; v < kVectors; ++v) {
                source.load(vector + v, rows);
                take(distances<W>(rows, query[i]), vector + v, group, s.limits[q + i],
                     s.ends[q + i]);
            }
        }
    }
}

// While many queries pass over rows in the nearest cache, those that follow come, a share with each
// pass.
template <std::size_t W, typename Source>
void all_queries(const HammingScan& s, Source source, const Group& group, std::size_t count,
                 const std::uint8_t* next) {
    std::size_t q = 0;
    constexpr std::size_t at_once = W * kFewQueries <= Words::registers ? kFewQueries : 2;
    const std::size_t share = (count * W * 8 * at_once / s.n + 63) / 64 * 64;
    for (; q + at_once <= s.n; q += at_once, next += share) {
        if (s.n > kFewQueries) ask(next, share);
        pass<at_once, W>(s, q, source, group, count);
    }
    for (; q < s.n; ++q) pass<1, W>(s, q, source, group, count);
}

// One query at a time over rows of any number of words, four vectors of rows at once.
inline void long_rows(const HammingScan& s, std::size_t words, const std::uint64_t* turned,
                      const Group& group, std::size_t count) {
    constexpr std::size_t kParts = 16;  // words that a part of a lane can count
    constexpr std::size_t at_once = std::min<std::size_t>(4, kVectors);
    for (std::size_t q = 0; q < s.n; ++q) {
        const std::uint64_t* query = s.queries + q * words;
        const Lanes limit = Words::limit(s.limits[q]);
        for (std::size_t v = 0; v < count / Words::width; v += at_once) {
            Lanes sum[at_once];
            for (auto& lanes : sum) lanes = Words::set(0);
            for (std::size_t from = 0; from < words; from += kParts) {
                const std::size_t to = std::min(words, from + kParts);
                Lanes part[at_once];
                for (auto& lanes : part) lanes = Words::set(0);
                for (std::size_t w = from; w < to; ++w) {
                    const Lanes word = Words::set(query[w]);
                    for (std::size_t i = 0; i < at_once; ++i) {
                        const std::uint64_t* at = turned + ((v + i) * words + w) * Words::width;
                        part[i] = Words::add(part[i], Words::count(Words::load(at), word));
                    }
                }
                for (std::size_t i = 0; i < at_once; ++i) {
                    sum[i] = Words::plus(sum[i], Words::total(part[i]));
                }
            }
            Lanes least = sum[0];
            for (std::size_t i = 1; i < at_once; ++i) least = Words::least(least, sum[i]);
            if (!Words::any(least, limit)) continue;
            for (std::size_t i = 0; i < at_once; ++i) {
                take(sum[i], v + i, group, s.limits[q], s.ends[q]);
            }
        }
    }
}

constexpr std::size_t kInOrder[8] = {0, 1, 2, 3, 4, 5, 6, 7};

// Writes `count` rows, and zeros up to a whole group, as [vector][word][row].
inline void turn_any(const std::uint8_t* rows, std::size_t bytes, std::size_t count,
                     std::uint64_t* out) {
    const std::size_t words = (bytes + 7) / 8, rest = bytes % 8;
    const std::size_t padded = (count + kGroup - 1) / kGroup * kGroup;
    for (std::size_t r = 0; r < padded; ++r) {
        const std::uint8_t* row = rows + r * bytes;
        std::uint64_t* to = out + r / Words::width * words * Words::width + r % Words::width;
        for (std::size_t w = 0; w < words; ++w, to += Words::width) {
            std::uint64_t word = 0;
            if (r < count) {
                if (w + 1 < words || rest == 0) {
                    std::memcpy(&word, row + 8 * w, 8);
                } else {
                    std::memcpy(&word, row + 8 * w, rest);
                }
            }
            *to = word;
        }
    }
}

// Whole groups of rows, turned a vector at a time.
template <std::size_t W>
void turn_groups(const std::uint8_t* rows, std::size_t count, std::uint64_t* out) {
    for (std::size_t v = 0; v < count / Words::width; ++v) {
        Lanes lanes[W];
        Words::turn<W>(rows + v * Words::width * W * 8, lanes);
        for (std::size_t w = 0; w < W; ++w) {
            Words::store(out + (v * W + w) * Words::width, lanes[w]);
        }
    }
}

// Rows of exactly W words, whole groups of them; a few queries do not pay for a copy of the rows.
template <std::size_t W>
void whole_groups(const HammingScan& s, std::size_t count) {
    if (s.n <= kFewQueries) {
        const Group group{s.first, count, Words::order<W>};
        if (!s.goes_on) return all_queries<W>(s, Held<W, false>{s.rows}, group, count, s.rows);
        return all_queries<W>(s, Held<W, true>{s.rows}, group, count, s.rows);
    }
    alignas(64) std::uint64_t turned[W == 1 ? 1 : kScratchWords];
    constexpr std::size_t rows = kScratchWords / W / kGroup * kGroup;
    for (std::size_t from = 0; from < count; from += rows) {
        const std::size_t some = std::min(rows, count - from);
        const std::uint8_t* here = s.rows + from * W * 8;
        const Group group{static_cast<std::uint32_t>(s.first + from), some, Words::order<W>};
        if constexpr (W == 1) {
            all_queries<W>(s, Held<W, false>{here}, group, some, here + some * 8);
        } else {
            turn_groups<W>(here, some, turned);
            all_queries<W>(s, Turned<W>{turned}, group, some, here + some * W * 8);
        }
    }
}

inline void any_rows(const HammingScan& s, std::size_t begin) {
    if (begin == s.count) return;
    alignas(64) std::uint64_t turned[kScratchWords];
    const std::size_t words = (s.bytes + 7) / 8;
    const std::size_t rows = kScratchWords / words / kGroup * kGroup;
    for (std::size_t from = begin; from < s.count; from += rows) {
        const std::size_t some = std::min(rows, s.count - from);
        const std::size_t padded = (some + kGroup - 1) / kGroup * kGroup;
        turn_any(s.rows + from * s.bytes, s.bytes, some, turned);
        const Group group{static_cast<std::uint32_t>(s.first + from), some, kInOrder};
        const std::uint8_t* next = s.rows + (from + some) * s.bytes;
        switch (words) {
            case 1:
                all_queries<1>(s, Turned<1>{turned}, group, padded, next);
                break;
            case 2:
                all_queries<2>(s, Turned<2>{turned}, group, padded, next);
                break;
            case 3:
                all_queries<3>(s, Turned<3>{turned}, group, padded, next);
                break;
            case 4:
                all_queries<4>(s, Turned<4>{turned}, group, padded, next);
                break;
            default:
                long_rows(s, words, turned, group, padded);
        }
    }
}

inline void scan(const HammingScan& s) {
    if (s.n == 0) return;
    std::size_t done = s.count / kGroup * kGroup;
    switch (s.bytes) {
        case 8:
            whole_groups<1>(s, done);
            break;
        case 16:
            whole_groups<2>(s, done);
            break;
        case 32:
            whole_groups<4>(s, done);
            break;
        default:
            done = 0;
    }
    any_rows(s, done);
}

}  // namespace
}  // namespace bitgrove::hamming_scan
