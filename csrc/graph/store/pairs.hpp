// Distances between rows that an index holds, as keys.
#pragma once
#include <cstdint>

#include "rows.hpp"
#include "space.hpp"

namespace bitgrove::graph {

// For ip, FANNG needs a metric: every row gets one more coordinate, its lift sqrt(M^2 - |x|^2), so
// that all have length M and, for a query lifted by 0, the nearest row is that of the largest
// product (Neyshabur and Srebro, ICML 2015). `lift` is null for the other metrics.
struct Pairs {
    Pairs(const Rows& rows, const float* lift)
        : space(rows.format()), base(rows.row(0)), bytes(rows.format().row_bytes), lift(lift) {}

    Key operator()(Row a, Row b) const {
        const Key key = space.between(base + a * bytes, base + b * bytes);
        if (!lift) return key;
        const float rise = lift[a] - lift[b];
        return key_of_distance(space.squared(key) + rise * rise);
    }

    // Squared l2 without a lift: what a key stands for.
    float squared(Key key) const { return space.squared(key); }

    void prefetch(Row row) const {
        const std::uint8_t* line = base + row * bytes;
        for (std::size_t i = 0; i < bytes && i < kPrefetched; i += 64) __builtin_prefetch(line + i);
    }

    static constexpr std::size_t kPrefetched = 512;  // bytes of a row; the CPU fetches what follows

    Space space;
    const std::uint8_t* base;
    std::size_t bytes;
    const float* lift;
};

}  // namespace bitgrove::graph
