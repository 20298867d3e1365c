// Eight rows of one tree, or eight trees of one row, step by step with gathers.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "bitgrove/forest.hpp"

#pragma GCC push_options
#pragma GCC target("avx2,fma")

namespace bitgrove::forest {
namespace {

__m256i first_of(std::size_t n) {
    const __m256i count = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? static_cast<int>(n) : 8), count);
}

void add_leaves(const ForestLeaves& leaves, const std::int32_t* numbers, std::size_t rows,
                float* out, std::size_t stride) {
    const std::size_t outs = leaves.outs, whole = outs == 1 ? 0 : (outs - 1) / 8 * 8;
    const __m256i tail = first_of(outs - whole);
    for (std::size_t r = 0; r < rows; ++r, out += stride) {
        const float* leaf = leaves.leaf + static_cast<std::size_t>(numbers[r]) * outs;
        if (outs == 1) {
            out[0] += leaf[0];
            continue;
        }
        for (std::size_t c = 0; c < whole; c += 8) {
            _mm256_store_ps(out + c,
                            _mm256_add_ps(_mm256_load_ps(out + c), _mm256_loadu_ps(leaf + c)));
        }
        const __m256 sum = _mm256_load_ps(out + whole);
        _mm256_store_ps(out + whole, _mm256_add_ps(sum, _mm256_maskload_ps(leaf + whole, tail)));
    }
}

struct Lanes {
    __m256i base, row;
};

template <bool Missing>
__m256i step(const ForestSteps& f, const float* x, const Lanes& lanes, __m256i at, __m256i features,
             __m256i& moved) {
    const __m256i from = _mm256_add_epi32(at, lanes.base);
    const auto* steps = reinterpret_cast<const float*>(f.steps);
    const __m256 threshold = _mm256_i32gather_ps(steps, from, 8);
    const __m256i where =
        _mm256_i32gather_epi32(reinterpret_cast<const int*>(f.steps) + 1, from, 8);
    const __m256i place = _mm256_add_epi32(lanes.row, _mm256_and_si256(where, features));
    const __m256 value = _mm256_i32gather_ps(x, place, 4);
    __m256i right = _mm256_castps_si256(_mm256_cmp_ps(value, threshold, _CMP_GT_OQ));
    if constexpr (Missing) {
        const __m256 nan = _mm256_cmp_ps(value, value, _CMP_UNORD_Q);
        if (const int which = _mm256_movemask_ps(nan)) {
            alignas(32) std::int32_t numbers[8], sent[8];
            _mm256_store_si256(reinterpret_cast<__m256i*>(numbers), from);
            _mm256_store_si256(reinterpret_cast<__m256i*>(sent), right);
            for (int i = 0; i < 8; ++i) {
                if (which >> i & 1 && f.missing[numbers[i]]) sent[i] = -1;
            }
            right = _mm256_load_si256(reinterpret_cast<const __m256i*>(sent));
        }
    }
    const __m256i left =
        _mm256_srl_epi32(where, _mm_cvtsi32_si128(static_cast<int>(f.feature_bits)));
    const __m256i next = _mm256_sub_epi32(left, right);
    moved = _mm256_or_si256(moved, _mm256_xor_si256(next, at));
    return next;
}

template <bool Missing, std::size_t V>
void walk(const ForestSteps& f, const float* x, const Lanes (&lanes)[V], std::uint32_t least,
          std::int32_t* numbers) {
    const __m256i features =
        _mm256_set1_epi32(static_cast<int>((std::uint32_t{1} << f.feature_bits) - 1));
    __m256i at[V];
    for (auto& a : at) a = _mm256_setzero_si256();
    for (std::uint32_t depth = 0;; ++depth) {
        __m256i moved = _mm256_setzero_si256();
        for (std::size_t v = 0; v < V; ++v) {
            at[v] = step<Missing>(f, x, lanes[v], at[v], features, moved);
        }
        if (depth >= least && _mm256_testz_si256(moved, moved)) break;
    }
    for (std::size_t v = 0; v < V; ++v) {
        const __m256i found =
            _mm256_i32gather_epi32(f.leaf, _mm256_add_epi32(at[v], lanes[v].base), 4);
        _mm256_store_si256(reinterpret_cast<__m256i*>(numbers + 8 * v), found);
    }
}

// At most 8 * V rows; a lane past them reads the last one.
template <bool Missing, std::size_t V>
void rows_of_trees(const ForestSteps& f, const ForestLeaves& leaves, const ForestRows& rows) {
    Lanes lanes[V];
    for (std::size_t v = 0; v < V; ++v) {
        alignas(32) std::int32_t row[8];
        for (std::size_t i = 0; i < 8; ++i) {
            const std::size_t r = 8 * v + i < rows.rows ? 8 * v + i : rows.rows - 1;
            row[i] = static_cast<std::int32_t>(r * rows.stride);
        }
        lanes[v].row = _mm256_load_si256(reinterpret_cast<const __m256i*>(row));
    }
    alignas(32) std::int32_t numbers[8 * V];
    for (std::size_t t = 0; t < f.trees; ++t) {
        for (auto& lane : lanes) lane.base = _mm256_set1_epi32(static_cast<int>(f.first[t]));
        walk<Missing>(f, rows.x, lanes, f.least_depth[t], numbers);
        add_leaves(leaves, numbers, rows.rows, rows.out, rows.out_stride);
    }
}

template <bool Missing>
void trees_of_row(const ForestSteps& f, const ForestLeaves& leaves, const float* x, float* out) {
    constexpr std::size_t V = 4;
    for (std::size_t t = 0; t < f.trees; t += 8 * V) {
        Lanes lanes[V];
        std::uint32_t least = ~0u;
        for (std::size_t v = 0; v < V; ++v) {
            alignas(32) std::uint32_t base[8];
            for (std::size_t i = 0; i < 8; ++i) {
                const std::size_t tree = t + 8 * v + i < f.trees ? t + 8 * v + i : f.trees - 1;
                base[i] = f.first[tree];
                least = f.least_depth[tree] < least ? f.least_depth[tree] : least;
            }
            lanes[v].row = _mm256_setzero_si256();
            lanes[v].base = _mm256_load_si256(reinterpret_cast<const __m256i*>(base));
        }
        alignas(32) std::int32_t numbers[8 * V];
        walk<Missing>(f, x, lanes, least, numbers);
        for (std::size_t i = 0; i < 8 * V && t + i < f.trees; ++i) {
            add_leaves(leaves, numbers + i, 1, out, leaves.outs);
        }
    }
}

template <bool Missing>
void all_steps(const ForestSteps& f, const ForestLeaves& leaves, ForestRows rows) {
    while (rows.rows > 0) {
        ForestRows some = rows;
        if (rows.rows >= 8) {
            some.rows = rows.rows < 32 ? rows.rows : 32;
            rows_of_trees<Missing, 4>(f, leaves, some);
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

const ForestKernels avx2{steps, nullptr, nullptr};

}  // namespace bitgrove::forest
#pragma GCC pop_options
