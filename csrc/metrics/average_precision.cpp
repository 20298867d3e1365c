#include "average_precision.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace bitgrove::metrics {
namespace {

// What the harmonic number of n >= kFar is beside ln(n) and Euler's constant, but for 1 / (2 n).
constexpr double kFar = 32;
double rest(double n) {
    const double x = 1 / (n * n);
    return x * (-1.0 / 12 + x * (1.0 / 120 + x * (-1.0 / 252 + x / 240)));
}

// 1 / (from + 1) + ... + 1 / to: small differences of large numbers would lose digits.
double harmonic(double from, double to) {
    double sum = 0;
    const double near = to - from <= 8 ? to : std::min(to, kFar);
    while (from < near) sum += 1 / ++from;
    if (from == to) return sum;
    const double n = to - from;
    return sum + std::log1p(n / from) - n / (2 * from * to) + (rest(to) - rest(from));
}

}  // namespace

struct AveragePrecision::Place {
    double before, hits;  // rows and relevant rows ahead
    double n, r;          // rows and relevant rows here
};

AveragePrecision::AveragePrecision(Rule rule) : rule_(rule) {
    if (rule.form == Form::interp21 && rule.ties == Ties::expected) {
        throw std::invalid_argument("[average_precision] interp21 has no expected value here");
    }
}

// Precisions of n relevant rows that follow each other after `start` rows with `hits` relevant
// ones; half of each is that of the row before for the trapezoid, 1 where there is none.
double AveragePrecision::run(double hits, double start, double n) const {
    if (n == 0) return 0;
    const double here = n + (hits - start) * harmonic(start, start + n);
    if (rule_.form == Form::rectangle) return here;
    if (start == 0) return (here + n) / 2;
    return (here + n + (hits - start) * harmonic(start - 1, start + n - 1)) / 2;
}

// The mean over all orders of a group, of its first `rows` places.
double AveragePrecision::mean_run(const Place& p, double rows) const {
    if (p.r == 0) return 0;
    const double step = p.n > 1 ? (p.r - 1) / (p.n - 1) : 0, share = p.r / p.n;
    const double here =
        step * rows + (p.hits + 1 - step - step * p.before) * harmonic(p.before, p.before + rows);
    if (rule_.form == Form::rectangle) return share * here;
    const double ahead = p.before == 0
                             ? 1 + step * (rows - 1)
                             : step * rows + (p.hits - step * p.before) *
                                                 harmonic(p.before - 1, p.before + rows - 1);
    return share * (here + ahead) / 2;
}

// Over a whole group, in the order that the rule asks for.
double AveragePrecision::sum(const Place& p) const {
    if (rule_.ties == Ties::expected) return mean_run(p, p.n);
    return run(p.hits, rule_.ties == Ties::optimistic ? p.before : p.before + p.n - p.r, p.r);
}

// Precision rises along a run of relevant rows, so its last is the peak.
Peak AveragePrecision::peak(const Place& p) const {
    const double end = p.before + (rule_.ties == Ties::optimistic ? p.r : p.n);
    return {p.hits + p.r, (p.hits + p.r) / end};
}

// The group that the last row that counts lies in: `room` of its rows count, and which do is a
// matter of their order. Where the divisor depends on it, every number of hits is looked at.
Score AveragePrecision::cut(const Place& p, double room, double before, std::vector<Peak>& peaks,
                            double divisor) const {
    const double fewest = std::max(0.0, room - (p.n - p.r)), most = std::min(room, p.r);
    const auto value = [&](double hits, double divide_by) {
        const Place part{p.before, p.hits, room, hits};
        if (rule_.form != Form::interp21) return (before + sum(part)) / divide_by;
        if (hits == 0) return interpolated(peaks, divide_by);
        peaks.push_back(peak(part));
        const double found = interpolated(peaks, divide_by);
        peaks.pop_back();
        return found;
    };
    if (rule_.divisor != Divisor::hits) {
        if (rule_.ties == Ties::expected) return {(before + mean_run(p, room)) / divisor, 1};
        return {value(rule_.ties == Ties::optimistic ? most : fewest, divisor), 1};
    }
    if (p.hits + most == 0) return {0, 0};

    // Hypergeometric weights of the numbers of hits, from the likeliest outwards.
    const auto next = [&](double x) {  // weight of x + 1 over that of x
        return (p.r - x) * (room - x) / ((x + 1) * (p.n - p.r - room + x + 1));
    };
    const double mode = std::clamp(std::floor((room + 1) * (p.r + 1) / (p.n + 2)), fewest, most);
    double weights = 0, nothing = 0, mean = 0;
    const auto weigh = [&](double x, double weight) {
        weights += weight;
        if (p.hits + x == 0) {
            nothing += weight;
        } else if (rule_.ties == Ties::expected) {
            mean += weight * value(x, p.hits + x);
        }
    };
    constexpr double negligible = 1e-20;
    double weight = 1;
    for (double x = mode; x <= most && weight > negligible; weight *= next(x++)) weigh(x, weight);
    weight = 1;
    for (double x = mode; x > fewest && weight > negligible;) {
        weight /= next(--x);
        weigh(x, weight);
    }
    // What can happen is told from what cannot, however unlikely it is.
    constexpr double least = 1e-16;
    double defined = 1;
    if (p.hits + fewest == 0) defined = std::clamp(1 - nothing / weights, least, 1 - 2 * least);
    if (rule_.ties == Ties::expected) return {mean / weights, defined};
    double extreme = -1;
    for (double x = std::max(fewest, p.hits == 0 ? 1.0 : 0.0); x <= most; ++x) {
        const double found = value(x, p.hits + x);
        if (extreme < 0 || (rule_.ties == Ties::optimistic ? found > extreme : found < extreme)) {
            extreme = found;
        }
    }
    return {extreme, defined};
}

Score AveragePrecision::of(const std::uint32_t* others, const std::uint32_t* relevant,
                           std::size_t groups) const {
    double rows = 0, all = 0;
    for (std::size_t g = 0; g < groups; ++g)
        rows += others[g] + double{1} * relevant[g], all += relevant[g];
    if (all == 0) return {0, 0};
    const double at = rule_.at ? std::min(rows, static_cast<double>(rule_.at)) : rows;
    const double divisor = rule_.divisor == Divisor::reachable ? std::min(at, all) : all;

    std::vector<Peak> peaks;
    double total = 0;
    Place p{0, 0, 0, 0};
    for (std::size_t g = 0; g < groups && p.before < at; ++g) {
        p.n = static_cast<double>(others[g]) + relevant[g], p.r = relevant[g];
        if (p.before + p.n > at) return cut(p, at - p.before, total, peaks, divisor);
        if (p.r > 0) {
            if (rule_.form == Form::interp21) {
                peaks.push_back(peak(p));
            } else {
                total += sum(p);
            }
        }
        p.before += p.n, p.hits += p.r;
    }
    const double divide_by = rule_.divisor == Divisor::hits ? p.hits : divisor;
    if (divide_by == 0) return {0, 0};
    if (rule_.form == Form::interp21) return {interpolated(peaks, divide_by), 1};
    return {total / divide_by, 1};
}

}  // namespace bitgrove::metrics
