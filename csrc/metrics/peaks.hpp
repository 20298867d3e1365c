// Interpolated average precision: what is best from a recall on.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace bitgrove::metrics {

// A precision, and how many hits there are by then.
struct Peak {
    double hits, precision;
};

// The mean over recalls 0, 0.05, ... 1 of the best precision from there on. Hits rise along
// `peaks`.
inline double interpolated(const std::vector<Peak>& peaks, double divisor) {
    double sum = 0, best = 0;
    std::size_t left = peaks.size();
    for (int k = 20; k >= 0; --k) {
        const double hits = std::max(1.0, std::ceil(k * divisor / 20));
        while (left > 0 && peaks[left - 1].hits >= hits) {
            best = std::max(best, peaks[--left].precision);
        }
        sum += best;
    }
    return sum / 21;
}

}  // namespace bitgrove::metrics
