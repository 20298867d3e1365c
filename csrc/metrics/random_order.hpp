// Average precision of a ranking with ties in one order of them, drawn at random: for the form
// whose mean over all orders has no closed form.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../graph/random.hpp"
#include "average_precision.hpp"
#include "peaks.hpp"

namespace bitgrove::metrics {

class RandomOrder {
  public:
    explicit RandomOrder(Rule rule) : rule_(rule) {}  // its ties do not matter

    // Every order of the rows of a group is as likely as the next. NaN where there is nothing to
    // divide by. A seed and the number of a query give one result, whatever else is drawn.
    void draw(const std::uint32_t* others, const std::uint32_t* relevant, std::size_t groups,
              std::uint64_t seed, std::size_t query, double* values, std::size_t count);

  private:
    double one(const std::uint32_t* others, const std::uint32_t* relevant, std::size_t groups,
               graph::Random& random);
    void choose(std::size_t n, std::size_t r, graph::Random& random);

    Rule rule_;
    std::vector<std::uint64_t> places_;  // of relevant rows in a group
    std::vector<Peak> peaks_;
};

}  // namespace bitgrove::metrics
