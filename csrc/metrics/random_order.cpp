#include "random_order.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace bitgrove::metrics {

// Sets r of n bits, every choice as likely as the next: R. W. Floyd, "A sample of brilliance", CACM
// 1987. Of many, those that stay clear are chosen.
void RandomOrder::choose(std::size_t n, std::size_t r, graph::Random& random) {
    const bool most = r > n - r;
    places_.assign((n + 63) / 64, most ? ~std::uint64_t{0} : 0);
    if (most && n % 64) places_.back() >>= 64 - n % 64;
    const auto turn = [&](std::size_t i) {  // false if it was turned before
        const std::uint64_t bit = std::uint64_t{1} << i % 64;
        if (((places_[i / 64] & bit) != 0) != most) return false;
        places_[i / 64] ^= bit;
        return true;
    };
    for (std::size_t j = n - std::min(r, n - r); j < n; ++j) {
        if (!turn(random.below(static_cast<std::uint32_t>(j + 1)))) turn(j);
    }
}

double RandomOrder::one(const std::uint32_t* others, const std::uint32_t* relevant,
                        std::size_t groups, graph::Random& random) {
    std::size_t rows = 0, all = 0;
    for (std::size_t g = 0; g < groups; ++g) {
        rows += std::size_t{others[g]} + relevant[g], all += relevant[g];
    }
    const std::size_t at = rule_.at ? std::min(rows, rule_.at) : rows;
    peaks_.clear();
    double sum = 0, hits = 0;
    for (std::size_t g = 0, before = 0; g < groups && before < at; ++g) {
        const std::size_t n = std::size_t{others[g]} + relevant[g];
        if (relevant[g]) choose(n, relevant[g], random);
        for (std::size_t w = 0; relevant[g] && w < places_.size(); ++w) {
            for (std::uint64_t bits = places_[w]; bits; bits &= bits - 1) {
                const std::size_t rank =
                    before + 64 * w + static_cast<std::size_t>(std::countr_zero(bits)) + 1;
                if (rank > at) break;
                const double precision = ++hits / static_cast<double>(rank);
                if (rule_.form == Form::interp21) {
                    peaks_.push_back({hits, precision});
                    continue;
                }
                const double ahead = rank == 1 ? 1 : (hits - 1) / static_cast<double>(rank - 1);
                sum += rule_.form == Form::rectangle ? precision : (precision + ahead) / 2;
            }
        }
        before += n;
    }
    const double divisor = rule_.divisor == Divisor::hits ? hits
                           : rule_.divisor == Divisor::relevant
                               ? static_cast<double>(all)
                               : static_cast<double>(std::min(at, all));
    if (divisor == 0) return std::numeric_limits<double>::quiet_NaN();
    return rule_.form == Form::interp21 ? interpolated(peaks_, divisor) : sum / divisor;
}

void RandomOrder::draw(const std::uint32_t* others, const std::uint32_t* relevant,
                       std::size_t groups, std::uint64_t seed, std::size_t query, double* values,
                       std::size_t count) {
    // Streams begin far apart: those of neighbouring states would overlap.
    const std::uint64_t begin = graph::Random(graph::Random(seed).next() + query).next();
    graph::Random random(begin);
    for (std::size_t i = 0; i < count; ++i) values[i] = one(others, relevant, groups, random);
}

}  // namespace bitgrove::metrics
