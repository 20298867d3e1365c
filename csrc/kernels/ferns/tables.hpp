// Sums of table rows, over vectors of sixteen numbers that the including file names `Sixteen`:
//
//     struct Sixteen<T, Sum>::Lanes, load(const Sum*), load(const T*), store(Sum*, Lanes), add.
//
// Included after the target region has begun; everything is in an anonymous namespace.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "bitgrove/ferns.hpp"

namespace bitgrove::ferns {
namespace {

// Rows whose sums are in registers while the ferns of a group go by.
constexpr std::size_t rows_at_once = 8;
// Bytes of the tables of a group: they stay in the second-level cache for all rows of a call.
constexpr std::size_t group_bytes = std::size_t{1} << 19;

template <std::size_t rows, typename T, typename Sum>
void add_rows(const FernVotes<T, Sum>& v, std::size_t begin, std::size_t end, std::size_t row,
              std::size_t column) {
    using Lanes = Sixteen<T, Sum>;
    Sum* out = v.out + row * v.width + column;
    typename Lanes::Lanes sums[rows];
    for (std::size_t i = 0; i < rows; ++i) sums[i] = Lanes::load(out + i * v.width);
    for (std::size_t f = begin; f < end; ++f) {
        const std::uint16_t* leaf = v.leaves + f * v.leaf_stride + row;
        const T* table = v.table + (f << v.depth) * v.width + column;
        for (std::size_t i = 0; i < rows; ++i) {
            sums[i] = Lanes::add(sums[i], Lanes::load(table + leaf[i] * v.width));
        }
    }
    for (std::size_t i = 0; i < rows; ++i) Lanes::store(out + i * v.width, sums[i]);
}

template <typename T, typename Sum>
void add_vectors(const FernVotes<T, Sum>& v) {
    const std::size_t one = (v.width * sizeof(T)) << v.depth;
    const std::size_t group = std::clamp<std::size_t>(group_bytes / one, 1, 16);
    for (std::size_t f = 0; f < v.ferns; f += group) {
        const std::size_t end = std::min(v.ferns, f + group);
        for (std::size_t c = 0; c < v.width; c += kFernGroup) {
            std::size_t r = 0;
            for (; r + rows_at_once <= v.rows; r += rows_at_once) {
                add_rows<rows_at_once>(v, f, end, r, c);
            }
            for (; r < v.rows; ++r) add_rows<1>(v, f, end, r, c);
        }
    }
}

template <typename T, typename Sum>
void add_numbers(const FernVotes<T, Sum>& v, std::size_t fern, std::size_t row) {
    const T* table = v.table + (fern << v.depth);
    const std::uint16_t* leaf = v.leaves + fern * v.leaf_stride;
    for (; row < v.rows; ++row) v.out[row] += table[leaf[row]];
}

}  // namespace
}  // namespace bitgrove::ferns
