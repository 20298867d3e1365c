// Sixteen rows of one tree, or sixteen trees of one row, step by step with gathers. For a target
// region with AVX-512 F, BW, DQ and VL. No include guard on purpose.
#include <cstddef>
#include <cstdint>

namespace bitgrove::forest {
namespace {

__mmask16 first_of(std::size_t n) {
    return static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1u);
}

// Leaves of many rows in one tree.
void add_leaves(const ForestLeaves& leaves, const std::int32_t* numbers, std::size_t rows,
                float* out, std::size_t stride) {
    const std::size_t outs = leaves.outs;
    if (outs == 1 && stride == 1) {
        for (std::size_t r = 0; r < rows; r += 16) {
            const __mmask16 here = first_of(rows - r);
            const __m512i number = _mm512_maskz_loadu_epi32(here, numbers + r);
            const __m512 sum = _mm512_maskz_loadu_ps(here, out + r);
            const __m512 leaf =
                _mm512_mask_i32gather_ps(_mm512_setzero_ps(), here, number, leaves.leaf, 4);
            _mm512_mask_storeu_ps(out + r, here, _mm512_add_ps(sum, leaf));
        }
        return;
    }
    // Whole lines, masked on the side of the leaf only: a masked store would hold up the next load.
    const __mmask16 tail = first_of(outs % 16 ? outs % 16 : 16);
    const std::size_t whole = outs - (outs % 16 ? outs % 16 : 16);
    for (std::size_t r = 0; r < rows; ++r, out += stride) {
        const float* leaf = leaves.leaf + static_cast<std::size_t>(numbers[r]) * outs;
        for (std::size_t c = 0; c < whole; c += 16) {
            _mm512_store_ps(out + c,
                            _mm512_add_ps(_mm512_load_ps(out + c), _mm512_loadu_ps(leaf + c)));
        }
        const __m512 sum = _mm512_load_ps(out + whole);
        _mm512_store_ps(out + whole, _mm512_add_ps(sum, _mm512_maskz_loadu_ps(tail, leaf + whole)));
    }
}

constexpr std::size_t uneven_rows = 256;  // at most at a time

// Lanes: each has a tree, whose first step is `base`, and a row, that begins at `row` from x.
struct Lanes {
    __m512i base, row;
};

template <bool Missing>
__m512i step(const ForestSteps& f, const float* x, const Lanes& lanes, __m512i at, __m512i features,
             __m512i& moved) {
    const __m512i from = _mm512_add_epi32(at, lanes.base);
    const auto* steps = reinterpret_cast<const long long*>(f.steps);
    const __m512i a = _mm512_i32gather_epi64(_mm512_castsi512_si256(from), steps, 8);
    const __m512i b = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(from, 1), steps, 8);
    const __m512i even =
        _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512 threshold = _mm512_castsi512_ps(_mm512_permutex2var_epi32(a, even, b));
    const __m512i where =
        _mm512_permutex2var_epi32(a, _mm512_add_epi32(even, _mm512_set1_epi32(1)), b);
    const __m512i place = _mm512_add_epi32(lanes.row, _mm512_and_si512(where, features));
    const __m512 value = _mm512_i32gather_ps(place, x, 4);
    __mmask16 right = _mm512_cmp_ps_mask(value, threshold, _CMP_GT_OQ);
    if constexpr (Missing) {
        const __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
        if (nan) {  // rare: the flag of each step is read one by one
            alignas(64) std::int32_t numbers[16];
            _mm512_store_si512(numbers, from);
            for (unsigned i = 0; i < 16; ++i) {
                if (nan >> i & 1 && f.missing[numbers[i]]) right |= static_cast<__mmask16>(1u << i);
            }
        }
    }
    const __m512i left =
        _mm512_srlv_epi32(where, _mm512_set1_epi32(static_cast<int>(f.feature_bits)));
    const __m512i next = _mm512_mask_add_epi32(left, right, left, _mm512_set1_epi32(1));
    moved = _mm512_or_si512(moved, _mm512_xor_si512(next, at));
    return next;
}

// V times sixteen lanes walk side by side; `at` holds the leaves' numbers in the end.
template <bool Missing, std::size_t V>
void walk(const ForestSteps& f, const float* x, const Lanes (&lanes)[V], std::uint32_t least,
          __m512i (&at)[V]) {
    const __m512i features =
        _mm512_set1_epi32(static_cast<int>((std::uint32_t{1} << f.feature_bits) - 1));
    for (auto& a : at) a = _mm512_setzero_si512();
    for (std::uint32_t depth = 0;; ++depth) {
        __m512i moved = _mm512_setzero_si512();
        for (std::size_t v = 0; v < V; ++v) {
            at[v] = step<Missing>(f, x, lanes[v], at[v], features, moved);
        }
        if (depth >= least && _mm512_test_epi32_mask(moved, moved) == 0) break;
    }
    for (std::size_t v = 0; v < V; ++v) {
        at[v] = _mm512_i32gather_epi32(_mm512_add_epi32(at[v], lanes[v].base), f.leaf, 4);
    }
}

__m512i count_up() {
    return _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

// The rows of a block of at most 64 in every tree. A lane past the rows reads the last one.
template <bool Missing, std::size_t V>
void rows_of_trees(const ForestSteps& f, const ForestLeaves& leaves, const ForestRows& rows) {
    Lanes lanes[V];
    const __m512i last = _mm512_set1_epi32(static_cast<int>(rows.rows - 1));
    for (std::size_t v = 0; v < V; ++v) {
        const __m512i number =
            _mm512_add_epi32(count_up(), _mm512_set1_epi32(static_cast<int>(16 * v)));
        lanes[v].row = _mm512_mullo_epi32(_mm512_min_epi32(number, last),
                                          _mm512_set1_epi32(static_cast<int>(rows.stride)));
    }
    alignas(64) std::int32_t numbers[16 * V];
    for (std::size_t t = 0; t < f.trees; ++t) {
        for (auto& lane : lanes) lane.base = _mm512_set1_epi32(static_cast<int>(f.first[t]));
        __m512i at[V];
        walk<Missing>(f, rows.x, lanes, f.least_depth[t], at);
        for (std::size_t v = 0; v < V; ++v) _mm512_store_si512(numbers + 16 * v, at[v]);
        add_leaves(leaves, numbers, rows.rows, rows.out, rows.out_stride);
    }
}

template <bool Missing>
void trees_of_row(const ForestSteps& f, const ForestLeaves& leaves, const float* x, float* out) {
    constexpr std::size_t V = 4;
    for (std::size_t t = 0; t < f.trees; t += 16 * V) {
        Lanes lanes[V];
        std::uint32_t least = ~0u;
        for (std::size_t v = 0; v < V; ++v) {
            const std::size_t i = t + 16 * v;
            const __mmask16 here = i < f.trees ? first_of(f.trees - i) : 0;
            lanes[v].row = _mm512_setzero_si512();
            lanes[v].base = _mm512_mask_loadu_epi32(
                _mm512_set1_epi32(static_cast<int>(f.first[f.trees - 1])), here, f.first + i);
        }
        for (std::size_t i = t; i < f.trees && i < t + 16 * V; ++i) {
            least = f.least_depth[i] < least ? f.least_depth[i] : least;
        }
        __m512i at[V];
        walk<Missing>(f, x, lanes, least, at);
        alignas(64) std::int32_t numbers[16 * V];
        for (std::size_t v = 0; v < V; ++v) _mm512_store_si512(numbers + 16 * v, at[v]);
        for (std::size_t i = 0; i < 16 * V && t + i < f.trees; ++i) {
            add_leaves(leaves, numbers + i, 1, out, leaves.outs);
        }
    }
}

// Rows whose ways end in many depths: those that have arrived make room for the others.
template <bool Missing>
void uneven_rows_of_trees(const ForestSteps& f, const ForestLeaves& leaves,
                          const ForestRows& rows) {
    constexpr int between = 3;  // steps until the rows that arrived are taken out
    const __m512i features =
        _mm512_set1_epi32(static_cast<int>((std::uint32_t{1} << f.feature_bits) - 1));
    const __m512i stride = _mm512_set1_epi32(static_cast<int>(rows.stride));
    // Whole registers are stored behind the rows that are still open.
    alignas(64) std::int32_t at[uneven_rows + 32], row[uneven_rows + 32], numbers[uneven_rows];
    for (std::size_t t = 0; t < f.trees; ++t) {
        const __m512i base = _mm512_set1_epi32(static_cast<int>(f.first[t]));
        std::size_t open = rows.rows;
        for (std::size_t r = 0; r < open; r += 16) {
            _mm512_store_si512(at + r, _mm512_setzero_si512());
            const __m512i number =
                _mm512_add_epi32(count_up(), _mm512_set1_epi32(static_cast<int>(r)));
            _mm512_store_si512(row + r, number);
        }
        std::uint32_t steps = f.least_depth[t] + 1;
        while (open > 0) {
            std::size_t still = 0;
            for (std::size_t i = 0; i < open; i += 32) {
                const __mmask16 here[2] = {first_of(open - i),
                                           open - i > 16 ? first_of(open - i - 16) : __mmask16{0}};
                __m512i place[2], number[2], moved[2];
                Lanes lanes[2];
                for (int v = 0; v < 2; ++v) {
                    place[v] = _mm512_maskz_load_epi32(here[v], at + i + 16 * v);
                    number[v] = _mm512_maskz_load_epi32(here[v], row + i + 16 * v);
                    lanes[v] = {base, _mm512_mullo_epi32(number[v], stride)};
                }
                for (std::uint32_t depth = 0; depth < steps; ++depth) {
                    for (int v = 0; v < 2; ++v) {
                        moved[v] = _mm512_setzero_si512();
                        place[v] = step<Missing>(f, rows.x, lanes[v], place[v], features, moved[v]);
                    }
                }
                for (int v = 0; v < 2; ++v) {
                    const __mmask16 on = _mm512_test_epi32_mask(moved[v], moved[v]) & here[v];
                    const __mmask16 done = here[v] & ~on;
                    const __m512i leaf = _mm512_mask_i32gather_epi32(
                        _mm512_setzero_si512(), done, _mm512_add_epi32(place[v], base), f.leaf, 4);
                    _mm512_mask_i32scatter_epi32(numbers, done, number[v], leaf, 4);
                    _mm512_storeu_si512(at + still, _mm512_maskz_compress_epi32(on, place[v]));
                    _mm512_storeu_si512(row + still, _mm512_maskz_compress_epi32(on, number[v]));
                    still += static_cast<std::size_t>(__builtin_popcount(on));
                }
            }
            open = still;
            steps = between;
        }
        add_leaves(leaves, numbers, rows.rows, rows.out, rows.out_stride);
    }
}

template <bool Missing>
void all_steps(const ForestSteps& f, const ForestLeaves& leaves, ForestRows rows) {
    // Lanes wait for the deepest of those that walk together, unless leaves are in many depths.
    const bool even =
        f.trees > 1 &&
        (f.first[1] - f.first[0]) >> (f.least_depth[0] < 27 ? f.least_depth[0] + 4 : 31) == 0;
    while (rows.rows > 0) {
        ForestRows some = rows;
        if (rows.rows >= 32 && even) {
            some.rows = rows.rows < 64 ? rows.rows : 64;
            rows_of_trees<Missing, 4>(f, leaves, some);
        } else if (rows.rows >= 64) {
            some.rows = rows.rows < uneven_rows ? rows.rows : uneven_rows;
            uneven_rows_of_trees<Missing>(f, leaves, some);
        } else if (rows.rows >= 8) {
            some.rows = rows.rows < 32 ? rows.rows : 32;
            rows_of_trees<Missing, 2>(f, leaves, some);
        } else {
            some.rows = 1;
            trees_of_row<Missing>(f, leaves, some.x, some.out);
        }
        rows.x += some.rows * rows.stride;
        rows.out += some.rows * rows.out_stride;
        rows.rows -= some.rows;
    }
}

void steps(const ForestSteps& f, const ForestLeaves& leaves, const ForestRows& rows) {
    if (f.missing) {
        all_steps<true>(f, leaves, rows);
    } else {
        all_steps<false>(f, leaves, rows);
    }
}

}  // namespace
}  // namespace bitgrove::forest
