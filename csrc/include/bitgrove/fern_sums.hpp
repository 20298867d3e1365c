// Look-ups of ferns: bits become addresses of rows, and the rows are summed.
//
// A row of `positions` comes as one plane of bits for each test: bit x is bit (x % 64) of word
// (x / 64). The tests of a fern follow one another, the first being the lowest bit of its address.
// `addresses` keeps them as the level likes, in `address_bytes` bytes; all words of a row are read,
// and whatever lies past `positions` is of no account.
//
//     compare: bit x of test k of `out` = sum over f of table[f][address(f, x)] >= thresholds[k],
//              0 from `positions` to the end of the last word; of one output, whose table is
//              packed by `pack_table` into `table_bytes` bytes, aligned to 64
//     rows:    out[x*out_stride + o] = float(sum over f of table[f][address(f, first + x)][o])
//              * scale[o] + bias[o], each rounded by itself, for x < count and o < outs
//     above:   bit x of `out` = x[i*step] >= threshold, for i < count, 0 to the end of the last
//     word
//
// At most 2^16 ferns of 1 to 8 tests, so that a sum has 24 bits; tables hold -127 to 127.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove {

struct FernSums {
    const std::uint8_t* addresses;
    std::size_t ferns, depth, positions;
};

struct FernCompare {
    FernSums sums;
    const std::int8_t* table;
    std::size_t tests;
    const std::int32_t* thresholds;
    std::uint64_t* out;
    std::size_t out_stride;  // words
};

struct FernRows {
    FernSums sums;
    std::size_t first, count;
    const std::int16_t* table;  // [ferns][2^depth][row], rows of zeros behind `outs`
    std::size_t row;            // a multiple of 32
    std::size_t outs;
    const float *scale, *bias;  // [row]
    float* out;
    std::size_t out_stride;
};

struct FernSumsKernels {
    std::size_t (*address_bytes)(std::size_t ferns, std::size_t positions);
    // planes: one pointer for each test; null stands for zeros.
    void (*addresses)(const std::uint64_t* const* planes, std::size_t ferns, std::size_t depth,
                      std::size_t positions, std::uint8_t* out);
    std::size_t (*table_bytes)(std::size_t ferns, std::size_t depth);
    // table: [ferns][2^depth]
    void (*pack_table)(const std::int8_t* table, std::size_t ferns, std::size_t depth,
                       std::int8_t* out);
    void (*compare)(const FernCompare&);
    void (*rows)(const FernRows&);
    void (*above)(const float* x, std::size_t step, std::size_t count, float threshold,
                  std::uint64_t* out);
};

namespace fern_sums {
extern const FernSumsKernels scalar;
extern const FernSumsKernels avx2;
extern const FernSumsKernels avx512;  // needs F, BW, DQ, VL, VBMI and VNNI
}  // namespace fern_sums
}  // namespace bitgrove
