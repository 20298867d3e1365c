// Five levels of a tree at once: a byte permutation fetches the ranks of a block's 31 columns, one
// comparison gives 31 bits, and sixteen rows find their way through the bits together. Two trees
// go side by side, and the leaves of four are added to a row at once.
#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "bitgrove/forest.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")

#include "steps512.hpp"

namespace bitgrove::forest {
namespace {

// The ranks of a row in R registers, compared with those of a block, or of two blocks at once.
template <std::size_t R>
struct Bytes {
    using Rank = std::uint8_t;
    static constexpr std::size_t columns = 64 * R;

    static void narrow(Rank* to, __m512i ranks) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(ranks));
    }
    struct Pair {
        Pair(const ForestBlocks<Rank>& f, std::size_t a, std::size_t b)
            : column(both(f.column + 32 * a, f.column + 32 * b)),
              rank(both(f.rank + 32 * a, f.rank + 32 * b)) {}
        __m512i column, rank;
    };
    static std::uint64_t right(const Rank* row, const Pair& pair) {
        return _mm512_cmpgt_epu8_mask(at(row, pair.column), pair.rank);
    }
    static std::uint32_t right(const Rank* row, const ForestBlocks<Rank>& f, std::size_t block) {
        const __m512i found = at(row, _mm512_castsi256_si512(half(f.column + 32 * block)));
        return _mm256_cmpgt_epu8_mask(_mm512_castsi512_si256(found), half(f.rank + 32 * block));
    }

  private:
    static __m256i half(const Rank* p) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    }
    static __m512i both(const Rank* a, const Rank* b) {
        return _mm512_inserti64x4(_mm512_castsi256_si512(half(a)), half(b), 1);
    }
    static __m512i at(const Rank* row, __m512i column) {
        const auto part = [&](std::size_t i) { return _mm512_load_si512(row + 64 * i); };
        if constexpr (R == 1) return _mm512_permutexvar_epi8(column, part(0));
        const __m512i low = _mm512_permutex2var_epi8(part(0), column, part(1));
        if constexpr (R == 2) return low;
        const __m512i high = _mm512_permutex2var_epi8(part(2), column, part(3));
        return _mm512_mask_blend_epi8(_mm512_movepi8_mask(column), low, high);
    }
};

template <std::size_t R>
struct Words {
    using Rank = std::uint16_t;
    static constexpr std::size_t columns = 32 * R;

    static void narrow(Rank* to, __m512i ranks) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(ranks));
    }
    struct Block {
        Block(const ForestBlocks<Rank>& f, std::size_t number)
            : column(_mm512_loadu_si512(f.column + 32 * number)),
              rank(_mm512_loadu_si512(f.rank + 32 * number)) {}
        __m512i column, rank;
    };
    struct Pair {
        Pair(const ForestBlocks<Rank>& f, std::size_t first, std::size_t second)
            : a(f, first), b(f, second) {}
        Block a, b;
    };
    static std::uint64_t right(const Rank* row, const Pair& pair) {
        return _mm512_kunpackd(right(row, pair.b), right(row, pair.a));
    }
    static std::uint32_t right(const Rank* row, const ForestBlocks<Rank>& f, std::size_t block) {
        return right(row, Block(f, block));
    }

  private:
    static __mmask32 right(const Rank* row, const Block& block) {
        const auto part = [&](std::size_t i) { return _mm512_load_si512(row + 32 * i); };
        __m512i found = _mm512_permutex2var_epi16(part(0), block.column, part(1));
        if constexpr (R == 4) {
            const __m512i high = _mm512_permutex2var_epi16(part(2), block.column, part(3));
            const __mmask32 upper = _mm512_test_epi16_mask(block.column, _mm512_set1_epi16(64));
            found = _mm512_mask_blend_epi16(upper, found, high);
        }
        return _mm512_cmpgt_epu16_mask(found, block.rank);
    }
};

// Sixteen columns of one row.
__m512i ranks_of(const RankTables& t, std::size_t column, const float* row, __mmask16& nan) {
    const std::int32_t* feature = t.feature + column;  // ascending
    const __m512 x = feature[15] - feature[0] == 15
                         ? _mm512_loadu_ps(row + feature[0])
                         : _mm512_i32gather_ps(_mm512_loadu_si512(feature), row, 4);
    const __mmask16 number = _mm512_cmp_ps_mask(x, x, _CMP_ORD_Q);
    __m512 place = _mm512_mul_ps(_mm512_sub_ps(x, _mm512_loadu_ps(t.offset + column)),
                                 _mm512_loadu_ps(t.scale + column));
    place = _mm512_min_ps(_mm512_max_ps(place, _mm512_setzero_ps()),
                          _mm512_loadu_ps(t.last_bucket + column));
    const __m512i bucket =
        _mm512_add_epi32(_mm512_cvttps_epi32(place), _mm512_loadu_si512(t.first_start + column));
    __m512i rank = _mm512_i32gather_epi32(bucket, t.start, 4);
    const __m512i first = _mm512_loadu_si512(t.first_sorted + column);
    for (int step = t.steps[column / 16] - 1; step >= 0; --step) {
        const __m512i on = _mm512_add_epi32(rank, _mm512_set1_epi32((1 << step) - 1));
        const __m512 at = _mm512_i32gather_ps(_mm512_add_epi32(on, first), t.sorted, 4);
        const __mmask16 above = _mm512_cmp_ps_mask(at, x, _CMP_LT_OQ);
        rank = _mm512_mask_add_epi32(rank, above, rank, _mm512_set1_epi32(1 << step));
    }
    nan |= static_cast<__mmask16>(~number);
    return _mm512_maskz_mov_epi32(number, rank);
}

// Bit i of `bits` says whether a row goes right at node i.
__m512i exits_of(__m512i bits) {
    const __m512i one = _mm512_set1_epi32(1);
    __m512i at = one;
    for (int level = 0; level < 5; ++level) {
        const __m512i right = _mm512_and_si512(_mm512_srlv_epi32(bits, at), one);
        at = _mm512_add_epi32(_mm512_add_epi32(at, at), right);
    }
    return _mm512_sub_epi32(at, _mm512_set1_epi32(32));
}

constexpr std::size_t together = 4;  // trees whose leaves are added at once

struct alignas(64) Places {
    std::uint64_t bits[kForestRows];
    std::int32_t at[together + 1][kForestRows];  // a block, or ~leaf; the last is of no tree
    std::int32_t block[2][kForestRows], row[kForestRows];
};

// The halves of sixteen rows' bits.
struct Halves {
    explicit Halves(const std::uint64_t* bits) {
        const __m512i a = _mm512_load_si512(bits), b = _mm512_load_si512(bits + 8);
        const __m512i even = _mm512_add_epi32(count_up(), count_up());
        of[0] = _mm512_permutex2var_epi32(a, even, b);
        of[1] = _mm512_permutex2var_epi32(a, _mm512_add_epi32(even, _mm512_set1_epi32(1)), b);
    }
    __m512i of[2];
};

// The rows that are not at a leaf yet go on by themselves.
template <class Ranks, class Rank = typename Ranks::Rank>
void finish(const ForestBlocks<Rank>& f, const Rank* ranks, std::size_t rows, std::int32_t* at,
            Places& places) {
    std::int32_t* const block = places.block[0];
    std::size_t open = 0;
    for (std::size_t r = 0; r < rows; r += 16) {
        const __m512i here = _mm512_load_si512(at + r);
        const __mmask16 on =
            _mm512_mask_cmpge_epi32_mask(first_of(rows - r), here, _mm512_setzero_si512());
        const __m512i number = _mm512_add_epi32(count_up(), _mm512_set1_epi32(static_cast<int>(r)));
        _mm512_storeu_si512(block + open, _mm512_maskz_compress_epi32(on, here));
        _mm512_storeu_si512(places.row + open, _mm512_maskz_compress_epi32(on, number));
        open += static_cast<std::size_t>(__builtin_popcount(on));
    }
    auto* const bits = reinterpret_cast<std::uint32_t*>(places.bits);
    while (open > 0) {
        for (std::size_t i = 0; i < open; ++i) {
            const auto b = static_cast<std::size_t>(block[i]);
            const auto row = static_cast<std::size_t>(places.row[i]);
            bits[i] = Ranks::right(ranks + row * Ranks::columns, f, b);
        }
        std::size_t still = 0;
        for (std::size_t i = 0; i < open; i += 16) {
            const __mmask16 here = first_of(open - i);
            const __m512i exit = exits_of(_mm512_load_si512(bits + i));
            const __m512i from = _mm512_maskz_loadu_epi32(here, block + i);
            const __m512i row = _mm512_maskz_loadu_epi32(here, places.row + i);
            const __m512i next = _mm512_mask_i32gather_epi32(
                _mm512_setzero_si512(), here, _mm512_add_epi32(_mm512_slli_epi32(from, 5), exit),
                f.exits, 4);
            _mm512_mask_i32scatter_epi32(at, here, row, next, 4);
            const __mmask16 on = here & ~_mm512_movepi32_mask(next);
            _mm512_storeu_si512(block + still, _mm512_maskz_compress_epi32(on, next));
            _mm512_storeu_si512(places.row + still, _mm512_maskz_compress_epi32(on, row));
            still += static_cast<std::size_t>(__builtin_popcount(on));
        }
        open = still;
    }
}

// All rows through two trees from their roots; `at` then holds ~leaf.
template <class Ranks, class Rank = typename Ranks::Rank>
void walk(const ForestBlocks<Rank>& f, const std::int32_t (&roots)[2], const Rank* ranks,
          std::size_t rows, std::int32_t* const (&at)[2], Places& places) {
    const std::size_t root[2] = {static_cast<std::size_t>(roots[0]),
                                 static_cast<std::size_t>(roots[1])};
    const typename Ranks::Pair pair(f, root[0], root[1]);
    for (std::size_t r = 0; r < rows; ++r) {
        places.bits[r] = Ranks::right(ranks + r * Ranks::columns, pair);
    }
    std::size_t open[2] = {0, 0};
    // Where rows have left a block; those at a leaf wait at the root.
    const auto left = [&](int t, std::size_t r, __m512i next) {
        const __mmask16 on = static_cast<__mmask16>(~_mm512_movepi32_mask(next));
        _mm512_store_si512(at[t] + r, next);
        _mm512_store_si512(places.block[t] + r,
                           _mm512_mask_mov_epi32(_mm512_set1_epi32(roots[t]), on, next));
        open[t] += static_cast<std::size_t>(__builtin_popcount(on & first_of(rows - r)));
    };
    __m512i low[2], high[2];
    for (int t = 0; t < 2; ++t) {
        low[t] = _mm512_loadu_si512(f.exits + 32 * root[t]);
        high[t] = _mm512_loadu_si512(f.exits + 32 * root[t] + 16);
    }
    for (std::size_t r = 0; r < rows; r += 16) {
        const Halves bits(places.bits + r);
        for (int t = 0; t < 2; ++t) {
            left(t, r, _mm512_permutex2var_epi32(low[t], exits_of(bits.of[t]), high[t]));
        }
    }
    while (open[0] + open[1] > rows) {
        for (std::size_t r = 0; r < rows; ++r) {
            const auto a = static_cast<std::size_t>(places.block[0][r]);
            const auto b = static_cast<std::size_t>(places.block[1][r]);
            places.bits[r] =
                Ranks::right(ranks + r * Ranks::columns, typename Ranks::Pair(f, a, b));
        }
        open[0] = open[1] = 0;
        for (std::size_t r = 0; r < rows; r += 16) {
            const Halves bits(places.bits + r);
            for (int t = 0; t < 2; ++t) {
                const __m512i here = _mm512_load_si512(at[t] + r);
                const __m512i from =
                    _mm512_add_epi32(_mm512_slli_epi32(here, 5), exits_of(bits.of[t]));
                const __mmask16 on =
                    _mm512_mask_cmpge_epi32_mask(first_of(rows - r), here, _mm512_setzero_si512());
                left(t, r, _mm512_mask_i32gather_epi32(here, on, from, f.exits, 4));
            }
        }
    }
    for (int t = 0; t < 2; ++t) {
        if (open[t] > 0) finish<Ranks>(f, ranks, rows, at[t], places);
    }
}

// Adds leaves of G trees to each row, in the order of the trees.
template <std::size_t G>
void add_leaves(const ForestLeaves& leaves, const std::int32_t (*at)[kForestRows],
                const ForestRows& rows) {
    const std::size_t outs = leaves.outs;
    float* out = rows.out;
    if (outs == 1 && rows.out_stride == 1) {
        for (std::size_t r = 0; r < rows.rows; r += 16) {
            const __mmask16 here = first_of(rows.rows - r);
            __m512 sum = _mm512_maskz_loadu_ps(here, out + r);
            for (std::size_t g = 0; g < G; ++g) {
                const __m512i number =
                    _mm512_xor_si512(_mm512_load_si512(at[g] + r), _mm512_set1_epi32(-1));
                sum = _mm512_add_ps(sum, _mm512_mask_i32gather_ps(_mm512_setzero_ps(), here, number,
                                                                  leaves.leaf, 4));
            }
            _mm512_mask_storeu_ps(out + r, here, sum);
        }
        return;
    }
    // Whole lines, masked on the side of the leaf only: a masked store would hold up the next load.
    const __mmask16 tail = first_of(outs % 16 ? outs % 16 : 16);
    const std::size_t whole = outs - (outs % 16 ? outs % 16 : 16);
    for (std::size_t r = 0; r < rows.rows; ++r, out += rows.out_stride) {
        const float* leaf[G];
        for (std::size_t g = 0; g < G; ++g) {
            leaf[g] = leaves.leaf + static_cast<std::size_t>(~at[g][r]) * outs;
        }
        for (std::size_t c = 0; c < whole; c += 16) {
            __m512 sum = _mm512_load_ps(out + c);
            for (const float* from : leaf) sum = _mm512_add_ps(sum, _mm512_loadu_ps(from + c));
            _mm512_store_ps(out + c, sum);
        }
        __m512 sum = _mm512_load_ps(out + whole);
        for (const float* from : leaf) {
            sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(tail, from + whole));
        }
        _mm512_store_ps(out + whole, sum);
    }
}

template <class Ranks, class Rank = typename Ranks::Rank>
bool all(const ForestBlocks<Rank>& f, const RankTables& tables, const ForestLeaves& leaves,
         const ForestRows& rows, bool nan, std::byte* room) {
    auto* ranks = reinterpret_cast<Rank*>(room);
    __mmask16 found = 0;
    for (std::size_t r = 0; r < rows.rows; ++r) {
        for (std::size_t c = 0; c < tables.columns; c += 16) {
            Ranks::narrow(ranks + r * Ranks::columns + c,
                          ranks_of(tables, c, rows.x + r * rows.stride, found));
        }
    }
    if (found && !nan) return false;
    Places places;
    for (std::size_t first = 0; first < f.trees; first += together) {
        const std::size_t trees = std::min(together, f.trees - first);
        for (std::size_t g = 0; g < trees; g += 2) {
            // A tree without a partner is its own.
            std::int32_t roots[2], *at[2] = {places.at[together], places.at[together]};
            std::size_t walking = 0;
            for (std::size_t t = g; t < std::min(g + 2, trees); ++t) {
                const std::int32_t root = f.root[first + t];
                if (root < 0) {
                    std::fill_n(places.at[t], rows.rows, root);
                } else {
                    roots[walking] = root;
                    at[walking++] = places.at[t];
                }
            }
            if (walking == 1) roots[1] = roots[0];
            if (walking > 0) walk<Ranks>(f, roots, ranks, rows.rows, at, places);
        }
        switch (trees) {
            case 4:
                add_leaves<4>(leaves, places.at, rows);
                break;
            case 3:
                add_leaves<3>(leaves, places.at, rows);
                break;
            case 2:
                add_leaves<2>(leaves, places.at, rows);
                break;
            default:
                add_leaves<1>(leaves, places.at, rows);
        }
    }
    return true;
}

bool bytes(const ForestBlocks<std::uint8_t>& f, const RankTables& tables,
           const ForestLeaves& leaves, const ForestRows& rows, bool nan, std::byte* room) {
    if (tables.columns <= 64) {
        return all<Bytes<1>>(f, tables, leaves, rows, nan, room);
    }
    if (tables.columns <= 128) {
        return all<Bytes<2>>(f, tables, leaves, rows, nan, room);
    }
    return all<Bytes<4>>(f, tables, leaves, rows, nan, room);
}

bool words(const ForestBlocks<std::uint16_t>& f, const RankTables& tables,
           const ForestLeaves& leaves, const ForestRows& rows, bool nan, std::byte* room) {
    if (tables.columns <= 64) {
        return all<Words<2>>(f, tables, leaves, rows, nan, room);
    }
    return all<Words<4>>(f, tables, leaves, rows, nan, room);
}

}  // namespace

const ForestKernels avx512{steps, bytes, words};

}  // namespace bitgrove::forest
#pragma GCC pop_options
