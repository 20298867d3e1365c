#include "sums.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "../parallel.hpp"

namespace bitgrove::graph {

template <typename T>
void add_to_sums(const Sums& sums, const T* rows, std::size_t count, const std::int64_t* labels,
                 const float* distances, std::size_t threads) {
    for (std::size_t r = 0; r < count; ++r) {
        if (labels[r] < 0 || static_cast<std::size_t>(labels[r]) >= sums.clusters) {
            throw std::invalid_argument("labels must be in 0 .. " + std::to_string(sums.clusters) +
                                        ", got " + std::to_string(labels[r]));
        }
    }
    const auto work = [&](std::size_t begin, std::size_t end, std::size_t) {
        for (std::size_t r = 0; r < count; ++r) {
            const auto cluster = static_cast<std::size_t>(labels[r]);
            if (cluster < begin || cluster >= end) continue;
            double* sum = sums.rows + cluster * sums.dim;
            const T* row = rows + r * sums.dim;
            for (std::size_t i = 0; i < sums.dim; ++i) sum[i] += row[i];
            sums.counts[cluster] += 1;
            sums.errors[cluster] += distances[r];
        }
    };
    // Every share reads all labels, so there are few; more than threads, since clusters differ.
    const std::size_t shares = threads > 1 ? 4 * threads : 1;
    const std::size_t share = std::max<std::size_t>(1, (sums.clusters + shares - 1) / shares);
    parallel_blocks(sums.clusters, share, threads, "sums", Tick{}, work);
}

template void add_to_sums(const Sums&, const std::uint8_t*, std::size_t, const std::int64_t*,
                          const float*, std::size_t);
template void add_to_sums(const Sums&, const float*, std::size_t, const std::int64_t*, const float*,
                          std::size_t);

}  // namespace bitgrove::graph
