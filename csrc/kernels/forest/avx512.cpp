// Five levels of a tree at once: a byte permutation fetches the ranks of a block's 31 columns, one
// comparison gives 31 bits, and sixteen rows find their way through the bits together.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")

#include "leaves.hpp"
#include "steps512.hpp"

namespace bitgrove::forest {
namespace {

// The ranks of a row in R registers, and those at 32 columns compared with a block's.
template <std::size_t R>
struct Bytes {
    using Rank = std::uint8_t;
    static constexpr std::size_t columns = 64 * R;

    static void narrow(Rank* to, __m512i ranks) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(ranks));
    }
    struct Node {
        __m512i column;
        __m256i rank;
    };
    static Node load(const ForestBlocks<Rank>& f, std::size_t block) {
        const auto at = [&](const Rank* p) {
            return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32 * block));
        };
        return {_mm512_castsi256_si512(at(f.column)), at(f.rank)};
    }
    static std::uint32_t right(const Rank* row, const Node& node) {
        __m512i found;
        const auto part = [&](std::size_t i) { return _mm512_load_si512(row + 64 * i); };
        if constexpr (R == 1) found = _mm512_permutexvar_epi8(node.column, part(0));
        if constexpr (R == 2) found = _mm512_permutex2var_epi8(part(0), node.column, part(1));
        if constexpr (R == 4) {
            const __m512i low = _mm512_permutex2var_epi8(part(0), node.column, part(1));
            const __m512i high = _mm512_permutex2var_epi8(part(2), node.column, part(3));
            found = _mm512_mask_blend_epi8(_mm512_movepi8_mask(node.column), low, high);
        }
        return _mm256_cmpgt_epu8_mask(_mm512_castsi512_si256(found), node.rank);
    }
};

template <std::size_t R>
struct Words {
    using Rank = std::uint16_t;
    static constexpr std::size_t columns = 32 * R;

    static void narrow(Rank* to, __m512i ranks) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(ranks));
    }
    struct Node {
        __m512i column, rank;
    };
    static Node load(const ForestBlocks<Rank>& f, std::size_t block) {
        return {_mm512_loadu_si512(f.column + 32 * block), _mm512_loadu_si512(f.rank + 32 * block)};
    }
    static std::uint32_t right(const Rank* row, const Node& node) {
        const auto part = [&](std::size_t i) { return _mm512_load_si512(row + 32 * i); };
        __m512i found = _mm512_permutex2var_epi16(part(0), node.column, part(1));
        if constexpr (R == 4) {
            const __m512i high = _mm512_permutex2var_epi16(part(2), node.column, part(3));
            const __mmask32 upper = _mm512_test_epi16_mask(node.column, _mm512_set1_epi16(64));
            found = _mm512_mask_blend_epi16(upper, found, high);
        }
        return _mm512_cmpgt_epu16_mask(found, node.rank);
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

struct alignas(64) Places {
    std::uint32_t bits[kForestRows];
    std::int32_t block[kForestRows];  // of the rows that are not at a leaf yet
    std::int32_t row[kForestRows];    // which these are
    std::int32_t leaf[kForestRows];
};

__m512i counted() {
    return _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

template <class Ranks, class Rank = typename Ranks::Rank>
void walk(const ForestBlocks<Rank>& f, std::size_t tree, const Rank* ranks, std::size_t rows,
          Places& places) {
    const auto root = static_cast<std::size_t>(f.root[tree]);
    const auto node = Ranks::load(f, root);
    for (std::size_t r = 0; r < rows; ++r) {
        places.bits[r] = Ranks::right(ranks + r * Ranks::columns, node);
    }
    const __m512i low = _mm512_loadu_si512(f.exits + 32 * root);
    const __m512i high = _mm512_loadu_si512(f.exits + 32 * root + 16);
    std::size_t open = 0;
    for (std::size_t r = 0; r < rows; r += 16) {
        const __m512i exit = exits_of(_mm512_load_si512(places.bits + r));
        const __m512i next = _mm512_permutex2var_epi32(low, exit, high);
        const __m512i number = _mm512_add_epi32(counted(), _mm512_set1_epi32(static_cast<int>(r)));
        _mm512_store_si512(places.leaf + r, _mm512_xor_si512(next, _mm512_set1_epi32(-1)));
        __mmask16 on = _mm512_movepi32_mask(next) ^ 0xffff;
        if (rows - r < 16) on &= (1u << (rows - r)) - 1;
        _mm512_storeu_si512(places.block + open, _mm512_maskz_compress_epi32(on, next));
        _mm512_storeu_si512(places.row + open, _mm512_maskz_compress_epi32(on, number));
        open += static_cast<std::size_t>(__builtin_popcount(on));
    }
    while (open > 0) {
        for (std::size_t i = 0; i < open; ++i) {
            const auto block = static_cast<std::size_t>(places.block[i]);
            const auto row = static_cast<std::size_t>(places.row[i]);
            places.bits[i] = Ranks::right(ranks + row * Ranks::columns, Ranks::load(f, block));
        }
        std::size_t still = 0;
        for (std::size_t i = 0; i < open; i += 16) {
            __mmask16 here = 0xffff;
            if (open - i < 16) here = static_cast<__mmask16>((1u << (open - i)) - 1);
            const __m512i exit = exits_of(_mm512_load_si512(places.bits + i));
            const __m512i block = _mm512_maskz_loadu_epi32(here, places.block + i);
            const __m512i row = _mm512_maskz_loadu_epi32(here, places.row + i);
            const __m512i from = _mm512_add_epi32(_mm512_slli_epi32(block, 5), exit);
            const __m512i next =
                _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), here, from, f.exits, 4);
            const __mmask16 done = _mm512_movepi32_mask(next) & here;
            alignas(64) std::int32_t leaf[16], at[16];
            _mm512_store_si512(leaf, _mm512_maskz_compress_epi32(
                                         done, _mm512_xor_si512(next, _mm512_set1_epi32(-1))));
            _mm512_store_si512(at, _mm512_maskz_compress_epi32(done, row));
            const int ended = __builtin_popcount(done);
            if (ended == 16 && at[15] - at[0] == 15) {
                _mm512_storeu_si512(places.leaf + at[0], _mm512_load_si512(leaf));
            } else {
                for (int k = 0; k < ended; ++k) places.leaf[at[k]] = leaf[k];
            }
            const __mmask16 on = here & ~done;
            _mm512_storeu_si512(places.block + still, _mm512_maskz_compress_epi32(on, next));
            _mm512_storeu_si512(places.row + still, _mm512_maskz_compress_epi32(on, row));
            still += static_cast<std::size_t>(__builtin_popcount(on));
        }
        open = still;
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
    for (std::size_t t = 0; t < f.trees; ++t) {
        if (f.root[t] < 0) {
            for (std::size_t r = 0; r < rows.rows; ++r) {
                add_leaf(leaves, ~f.root[t], rows.out + r * rows.out_stride);
            }
            continue;
        }
        walk<Ranks>(f, t, ranks, rows.rows, places);
        add_leaves(leaves, places.leaf, rows.rows, rows.out, rows.out_stride);
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
