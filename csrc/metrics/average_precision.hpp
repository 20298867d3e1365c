// Average precision of a ranking with ties, from the numbers of relevant and other rows in each
// group of equal rows: no order among them is ever drawn.
//
// With `before` rows and `hits` relevant ones ahead of a group of n rows, r of them relevant, the
// row in place t of the group is relevant with probability r / n, and then on average
// (t - 1)(r - 1) / (n - 1) of those before it in the group are. Precision sums over the group are
// therefore sums of (a + b t) / (before + t), which harmonic numbers give.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "peaks.hpp"

namespace bitgrove::metrics {

enum class Form { rectangle, trapezoid, interp21 };
enum class Ties { expected, optimistic, pessimistic };
enum class Divisor { hits, reachable, relevant };

struct Rule {
    Form form;
    Ties ties;
    Divisor divisor;
    std::size_t at;  // rows that count, from the first; 0 means all
};

struct Score {
    // Expected: 0 where an order has nothing to divide by. Else the best or worst of the orders
    // that have something.
    double value;
    double defined;  // probability that there is something to divide by
};

class AveragePrecision {
  public:
    // Throws std::invalid_argument for the expected value of interp21, which has no closed form.
    explicit AveragePrecision(Rule rule);

    Score of(const std::uint32_t* others, const std::uint32_t* relevant, std::size_t groups) const;

  private:
    struct Place;  // of a group in the ranking

    double run(double hits, double start, double n) const;
    double mean_run(const Place& place, double rows) const;
    double sum(const Place& place) const;
    Peak peak(const Place& place) const;
    Score cut(const Place& place, double room, double sum, std::vector<Peak>& peaks,
              double divisor) const;

    Rule rule_;
};

}  // namespace bitgrove::metrics
