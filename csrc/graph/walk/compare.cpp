#include "compare.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "../../dispatch/table.hpp"
#include "../store/space.hpp"
#include "compare_dots.hpp"

namespace bitgrove::graph {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 15;  // stay in the nearest cache

static_assert(Compare::kSlack >= kScanSlack);

std::size_t rows_in_block(const Rows& rows) {
    return std::max<std::size_t>(1, kBlockBytes / rows.format().row_bytes);
}

// One pair at a time.
class ComparePairs : public Compare {
  public:
    ComparePairs(const Rows& rows, const std::uint8_t* queries, std::size_t count)
        : rows_(rows), space_(rows.format()), queries_(queries), count_(count) {}

    std::size_t most_rows() const override { return rows_in_block(rows_); }

    void run(Row first, std::size_t count, const Key* limits, Ranked** ends) override {
        for (std::size_t q = 0; q < count_; ++q) {
            const std::uint8_t* query = queries_ + q * rows_.format().row_bytes;
            Ranked* end = ends[q];
            for (std::size_t i = 0; i < count; ++i) {
                const Key key = space_.toward(query, rows_.row(first + i));
                *end = ranked(key, static_cast<Row>(first + i));
                end += key <= limits[q];
            }
            ends[q] = end;
        }
    }

  private:
    const Rows& rows_;
    Space space_;
    const std::uint8_t* queries_;
    std::size_t count_;
};

class CompareBits : public Compare {
  public:
    CompareBits(const Rows& rows, const std::uint8_t* queries, std::size_t count)
        : rows_(rows), kernel_(active().hamming_scan), words_(count * words(rows)), count_(count) {
        const std::size_t bytes = rows.format().row_bytes;
        for (std::size_t q = 0; q < count; ++q) {
            std::memcpy(words_.data() + q * words(rows), queries + q * bytes, bytes);
        }
    }

    static std::size_t words(const Rows& rows) { return (rows.format().row_bytes + 7) / 8; }

    // The kernel cuts its blocks itself.
    std::size_t most_rows() const override { return 4 * rows_in_block(rows_); }

    void run(Row first, std::size_t count, const Key* limits, Ranked** ends) override {
        kernel_({.rows = rows_.row(first),
                 .bytes = rows_.format().row_bytes,
                 .count = count,
                 .first = first,
                 .queries = words_.data(),
                 .n = count_,
                 .limits = limits,
                 .ends = ends});
    }

  private:
    const Rows& rows_;
    HammingScanFn kernel_;
    std::vector<std::uint64_t> words_;
    std::size_t count_;
};

}  // namespace

std::unique_ptr<Compare> Compare::pairs(const Rows& rows, const std::uint8_t* queries,
                                        std::size_t count) {
    return std::make_unique<ComparePairs>(rows, queries, count);
}

std::unique_ptr<Compare> Compare::of(const Rows& rows, const std::uint8_t* queries,
                                     std::size_t count) {
    const Format& format = rows.format();
    if (format.dtype == Dtype::bits) {
        // Few queries do not pay for turning long rows, and one pair of those is work enough for a
        // call.
        const std::size_t words = CompareBits::words(rows);
        if (words <= 4 || (words <= kMaxScanWords && count > 4)) {
            return std::make_unique<CompareBits>(rows, queries, count);
        }
    } else if (count >= CompareDots::kMinQueries && format.dim <= CompareDots::kMaxDim) {
        return std::make_unique<CompareDots>(rows, queries, count);
    }
    return pairs(rows, queries, count);
}

}  // namespace bitgrove::graph
