// What a walk measures with: the codes of the rows where there are some, else the rows themselves.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../../dispatch/table.hpp"
#include "codes.hpp"
#include "pairs.hpp"

namespace bitgrove::graph {

class Measure {
  public:
    // `codes` is null for rows that are measured as they are held; `lift` as for Pairs.
    Measure(const Rows& rows, const Codes* codes, const float* lift)
        : pairs_(rows, lift), kernels_(&active()), table_(rows.row(0)) {
        const Format& format = rows.format();
        if (codes) {
            kind_ = Kind::bytes;
            table_ = codes->data();
            stride_ = codes->stride();
            bytes_ = codes->bytes();
        } else {
            stride_ = bytes_ = format.row_bytes;
            if (format.dtype == Dtype::bits) {
                kind_ = Kind::bits;
            } else if (format.dtype == Dtype::u8 && format.metric == Metric::l2) {
                kind_ = Kind::bytes;
            } else {
                kind_ = Kind::rows;
            }
        }
    }

    // Whether the keys of `toward` are exact distances of rows, in the keys of Space.
    bool coded() const { return table_ != pairs_.base; }

    // A row's place in the table.
    const std::uint8_t* point(Row row) const { return table_ + row * stride_; }
    void prefetch(Row row) const {
        const std::uint8_t* line = point(row);
        for (std::size_t i = 0; i < bytes_ && i < kPrefetched; i += 64)
            __builtin_prefetch(line + i);
    }

    // From a query: its code, or the query itself.
    void toward(const std::uint8_t* query, const Row* rows, std::size_t count, Key* keys) const {
        if (kind_ != Kind::rows) return many(query, rows, count, keys);
        for (std::size_t i = 0; i < count; ++i)
            keys[i] = pairs_.space.toward(query, point(rows[i]));
    }

    // From a row of the table: lengths of edges.
    void from(Row row, const Row* rows, std::size_t count, Key* keys) const {
        if (kind_ != Kind::rows) return many(point(row), rows, count, keys);
        for (std::size_t i = 0; i < count; ++i) keys[i] = pairs_(row, rows[i]);
    }
    Key operator()(Row a, Row b) const {
        switch (kind_) {
            case Kind::bytes:
                return kernels_->distance.l2_u8(point(a), point(b), bytes_);
            case Kind::bits:
                return kernels_->distance.hamming(point(a), point(b), bytes_);
            case Kind::rows:
                break;
        }
        return pairs_(a, b);
    }

    // Squared l2, up to a factor.
    float squared(Key key) const {
        return kind_ == Kind::rows ? pairs_.space.squared(key) : static_cast<float>(key);
    }

  private:
    enum class Kind : std::uint8_t { bytes, bits, rows };
    static constexpr std::size_t kPrefetched = 512;  // bytes of a row; the CPU fetches what follows

    void many(const std::uint8_t* point, const Row* rows, std::size_t count, Key* keys) const {
        const auto& kernels = kernels_->distance_rows;
        (kind_ == Kind::bits ? kernels.hamming : kernels.l2_u8)(point, table_, stride_, rows, count,
                                                                bytes_, keys);
    }

    Pairs pairs_;
    const Kernels* kernels_;
    const std::uint8_t* table_;
    std::size_t stride_, bytes_;
    Kind kind_;
};

}  // namespace bitgrove::graph
