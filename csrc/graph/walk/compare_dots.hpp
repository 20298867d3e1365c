// Many real or byte queries against blocks of rows: a matrix product finds the few pairs that may
// be near enough, and only those are compared as everywhere else.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "../../dispatch/table.hpp"
#include "../../runtime/aligned.hpp"
#include "../store/space.hpp"
#include "compare.hpp"

namespace bitgrove::graph {

// For l2, with |a - b|^2 = |a|^2 + |b|^2 - 2 a.b, a pair is near enough only if
//
//     a.b >= (|a|^2 + |b|^2 - limit) / 2
//
// and for ip only if a.b >= limit. The product is rounded otherwise than the distance that counts,
// so the right side is lowered by a bound of all rounding errors: no pair is missed, and what is
// found does not depend on the order in which a CPU adds. (Higham, Accuracy and Stability of
// Numerical Algorithms, 2nd ed., section 3.1: a sum of n products is off by at most n u / (1 - n u)
// times the sum of their magnitudes.)
class CompareDots : public Compare {
  public:
    static constexpr std::size_t kMaxDim = 16384;  // n u stays small
    static constexpr std::size_t kMinQueries = 8;

    CompareDots(const Rows& rows, const std::uint8_t* queries, std::size_t count);

    std::size_t most_rows() const override { return most_rows_; }
    void run(Row first, std::size_t count, const Key* limits, Ranked** ends) override;

  private:
    const float* widened(const std::uint8_t* rows, std::size_t count, float* room) const;
    double squared_length(const std::uint8_t* row) const;
    void lower(std::size_t count, const Key* limits);

    const Rows& rows_;
    Space space_;
    const Kernels& kernels_;
    const std::uint8_t* queries_;
    std::size_t count_, padded_;  // queries; a multiple of 16
    std::size_t most_rows_;
    std::unique_ptr<Compare> pairs_;
    double slack_;      // of a product, in |a| |b|
    double own_slack_;  // of the distance that counts, in itself
    double underflow_;  // of both, where numbers are too small to have 24 bits
    runtime::Aligned weight_;
    std::vector<double> query_squared_;
    std::vector<float> wide_, dots_, row_least_, query_least_;
    std::vector<std::uint32_t> reached_;
    std::size_t compared_ = 0, checked_ = 0;  // pairs
};

}  // namespace bitgrove::graph
