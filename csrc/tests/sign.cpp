// The sign kernels on memory that ends where they must stop, so that a sanitizer sees over-reads.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <span>

#include "../dispatch/table.hpp"
#include "../graph/random.hpp"
#include "check.hpp"

namespace {

using bitgrove::available;
using bitgrove::graph::Random;

using Floats = std::unique_ptr<float[]>;

// Numbers in [-1.5, 1.5], some of them special, with nothing allocated after the last one.
Floats numbers(Random& random, std::size_t n) {
    const float inf = std::numeric_limits<float>::infinity();
    const float special[] = {0.0f, -0.0f, 1.0f, -1.0f, inf, -inf};
    Floats values(new float[n]);
    for (std::size_t i = 0; i < n; ++i) {
        const auto draw = random.below(3600);
        values[i] = draw < 600 ? special[draw % 6] : static_cast<float>(draw - 600) / 1000 - 1.5f;
    }
    return values;
}

void signs_are_those_of_the_definition() {
    Random random(1);
    for (std::size_t n = 0; n < 150; ++n) {
        const Floats x = numbers(random, n);
        for (const auto& level : available()) {
            Floats out(new float[n]);
            level.sign.signs(x.get(), n, out.get());
            for (std::size_t i = 0; i < n; ++i) CHECK(out[i] == (x[i] >= 0 ? 1.0f : -1.0f));
        }
    }
}

void the_approximate_gradient_is_that_of_the_definition() {
    Random random(2);
    for (std::size_t n = 0; n < 150; ++n) {
        const Floats x = numbers(random, n), g = numbers(random, n);
        for (const auto& level : available()) {
            Floats out(new float[n]), over(new float[n]);
            level.sign.approx(g.get(), x.get(), n, out.get());
            std::copy_n(g.get(), n, over.get());
            level.sign.approx(over.get(), x.get(), n, over.get());  // written over the gradient
            for (std::size_t i = 0; i < n; ++i) {
                const float slope = 2 * std::fmax(1 - std::fabs(x[i]), 0.0f);
                const float expected = g[i] * slope;
                const bool neither = std::isnan(expected) && std::isnan(out[i]);
                CHECK(neither || out[i] == expected);
                CHECK(std::isnan(out[i]) == std::isnan(over[i]));
                CHECK(neither || over[i] == out[i]);
            }
        }
    }
}

constexpr Test kTests[] = {
    {"sign: signs are those of the definition", signs_are_those_of_the_definition},
    {"sign: the approximate gradient is that of the definition",
     the_approximate_gradient_is_that_of_the_definition},
};

}  // namespace

std::span<const Test> sign_tests() {
    return kTests;
}
