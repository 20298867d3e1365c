// What k-means adds up while rows stream past: for each cluster the sum of its rows, their number,
// and the sum of their distances.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove::graph {

struct Sums {
    std::size_t clusters;
    std::size_t dim;
    double* rows;          // clusters * dim
    std::int64_t* counts;  // clusters
    double* errors;        // clusters
};

// Adds `count` rows of bytes or floats to the sums of the clusters that `labels` names. Within a
// cluster rows are added in their order, so that the sums do not depend on the threads, which share
// the clusters; those of bytes are exact. Throws std::invalid_argument, and adds nothing, for a
// label that is not in 0 .. clusters.
template <typename T>
void add_to_sums(const Sums& sums, const T* rows, std::size_t count, const std::int64_t* labels,
                 const float* distances, std::size_t threads);

}  // namespace bitgrove::graph
