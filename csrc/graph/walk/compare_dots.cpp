#include "compare_dots.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bitgrove::graph {
namespace {

constexpr double kUnit = 0x1p-24;                       // of rounding to float32
constexpr std::size_t kNumbers = std::size_t{1} << 13;  // 32 KiB: of a block, and of its products
constexpr Key kEvery = 0xffffffffu;

}  // namespace

CompareDots::CompareDots(const Rows& rows, const std::uint8_t* queries, std::size_t count)
    : rows_(rows),
      space_(rows.format()),
      kernels_(active()),
      queries_(queries),
      count_(count),
      padded_((count + 15) / 16 * 16),
      most_rows_(std::max<std::size_t>(6, kNumbers / std::max(rows.format().dim, padded_))),
      pairs_(Compare::pairs(rows, queries, count)) {
    const std::size_t dim = rows.format().dim;
    const auto n = static_cast<double>(dim);
    own_slack_ = 2 * (n / 32 + 16) * kUnit;  // dim / 32 + 5 roundings of squares of differences
    slack_ = 1.01 * (n + 2) * kUnit + own_slack_ + 8 * kUnit;
    underflow_ = (n + 8) * 0x1p-147;
    std::vector<float> wide(count * dim);
    const float* numbers = widened(queries, count, wide.data());
    const RealDotsKernels& dots = *kernels_.real_dots;
    weight_ = runtime::allocate((count + dots.block - 1) / dots.block * dots.block_bytes(dim));
    dots.pack(numbers, count, dim, weight_.get());
    for (std::size_t q = 0; q < count; ++q) {
        query_squared_.push_back(squared_length(queries + q * rows.format().row_bytes));
    }
    wide_.resize(most_rows_ * dim);
    dots_.resize(most_rows_ * padded_);
    row_least_.resize(most_rows_);
    query_least_.assign(padded_, std::numeric_limits<float>::infinity());
    reached_.resize(most_rows_ * padded_);
}

const float* CompareDots::widened(const std::uint8_t* rows, std::size_t count, float* room) const {
    const std::size_t numbers = count * rows_.format().dim;
    switch (rows_.format().dtype) {
        case Dtype::u8:
            kernels_.dot_scan->widen_u8(rows, numbers, room);
            return room;
        case Dtype::f16:
            kernels_.dot_scan->widen_f16(reinterpret_cast<const std::uint16_t*>(rows), numbers,
                                         room);
            return room;
        default:
            return reinterpret_cast<const float*>(rows);
    }
}

double CompareDots::squared_length(const std::uint8_t* row) const {
    const DistanceKernels& distance = kernels_.distance;
    const std::size_t dim = rows_.format().dim;
    switch (rows_.format().dtype) {
        case Dtype::u8:
            return distance.ip_u8(row, row, dim);
        case Dtype::f16: {
            const auto* halves = reinterpret_cast<const std::uint16_t*>(row);
            return distance.ip_f16(halves, halves, dim);
        }
        default: {
            const auto* floats = reinterpret_cast<const float*>(row);
            return distance.ip_f32(floats, floats, dim);
        }
    }
}

// The least product of each query that a row must reach, less what depends on the row.
void CompareDots::lower(std::size_t count, const Key* limits) {
    const bool product = rows_.format().metric == Metric::ip;
    double longest = 0;
    if (product) {
        for (std::size_t r = 0; r < count; ++r) longest = std::max<double>(longest, row_least_[r]);
        longest = std::sqrt(longest) * (1 + slack_);
        std::fill_n(row_least_.begin(), count, 0.0f);
    } else {
        for (std::size_t r = 0; r < count; ++r) {
            row_least_[r] = static_cast<float>(row_least_[r] * (1 - slack_) / 2);
        }
    }
    for (std::size_t q = 0; q < count_; ++q) {
        double least;
        if (limits[q] == kEvery) {
            least = -std::numeric_limits<double>::infinity();
        } else if (product) {
            const double score = space_.reported(limits[q]);
            least = score - std::abs(score) * 4 * kUnit -
                    slack_ * longest * std::sqrt(query_squared_[q]) * (1 + slack_);
        } else {
            const double limit = rows_.format().dtype == Dtype::u8 ? static_cast<double>(limits[q])
                                                                   : distance_of_key(limits[q]);
            least = (query_squared_[q] * (1 - slack_) - limit * (1 + own_slack_ + 8 * kUnit)) / 2;
        }
        query_least_[q] = static_cast<float>(least - underflow_);
    }
}

void CompareDots::run(Row first, std::size_t count, const Key* limits, Ranked** ends) {
    const bool known = std::any_of(limits, limits + count_, [](Key key) { return key != kEvery; });
    compared_ += count * count_;
    // Where every row is wanted, or rows lie so far from zero that products tell little of their
    // distances, a product is in vain. It is tried again after a while.
    if (!known || 4 * checked_ > compared_) return pairs_->run(first, count, limits, ends);
    const std::size_t dim = rows_.format().dim;
    const std::uint8_t* rows = rows_.row(first);
    const Run whole{0, dim};
    kernels_.real_dots->run({.x = widened(rows, count, wide_.data()),
                             .pixel_stride = static_cast<std::ptrdiff_t>(dim),
                             .pixels = count,
                             .runs = &whole,
                             .run_count = 1,
                             .size = dim,
                             .weight = weight_.get(),
                             .bias = nullptr,
                             .outs = count_,
                             .out = dots_.data(),
                             .out_stride = padded_});
    for (std::size_t r = 0; r < count; ++r) {
        row_least_[r] = static_cast<float>(squared_length(rows + r * rows_.format().row_bytes));
    }
    lower(count, limits);
    const std::size_t found = kernels_.dot_scan->reach(
        dots_.data(), count, padded_, row_least_.data(), query_least_.data(), reached_.data());
    checked_ += found;
    for (std::size_t i = 0; i < found; ++i) {
        const std::size_t r = reached_[i] / padded_, q = reached_[i] % padded_;
        const Key key = space_.toward(queries_ + q * rows_.format().row_bytes,
                                      rows + r * rows_.format().row_bytes);
        if (key <= limits[q]) *ends[q]++ = ranked(key, static_cast<Row>(first + r));
    }
}

}  // namespace bitgrove::graph
