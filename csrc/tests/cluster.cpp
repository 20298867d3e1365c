// Sums of the rows of clusters, against loops written down once more, for several threads.
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "../graph/cluster/sums.hpp"
#include "../graph/random.hpp"
#include "check.hpp"

namespace {

using namespace bitgrove::graph;

constexpr std::size_t kRows = 500, kDim = 7, kClusters = 11;

struct Held {
    std::vector<double> rows = std::vector<double>(kClusters * kDim);
    std::vector<std::int64_t> counts = std::vector<std::int64_t>(kClusters);
    std::vector<double> errors = std::vector<double>(kClusters);

    Sums sums() { return {kClusters, kDim, rows.data(), counts.data(), errors.data()}; }
    bool operator==(const Held&) const = default;
};

template <typename T>
void equal_a_loop_for_any_threads() {
    Random random(3);
    std::vector<T> rows(kRows * kDim);
    std::vector<std::int64_t> labels(kRows);
    std::vector<float> distances(kRows);
    Held expected;
    for (std::size_t r = 0; r < kRows; ++r) {
        labels[r] = random.below(kClusters - 1);  // the last stays empty
        distances[r] = static_cast<float>(random.below(1000)) / 7.0f;
        expected.counts[labels[r]] += 1;
        expected.errors[labels[r]] += distances[r];
        for (std::size_t i = 0; i < kDim; ++i) {
            rows[r * kDim + i] = static_cast<T>(static_cast<float>(random.below(250)) / 3.0f);
            expected.rows[labels[r] * kDim + i] += rows[r * kDim + i];
        }
    }
    CHECK(expected.counts[0] > 10 && expected.counts[kClusters - 1] == 0);
    for (const std::size_t threads : {1, 2, 5, 64}) {
        Held held;
        for (const std::size_t half : {std::size_t{0}, kRows / 2}) {
            add_to_sums(held.sums(), rows.data() + half * kDim, kRows / 2, labels.data() + half,
                        distances.data() + half, threads);
        }
        CHECK(held == expected);
    }
}

void labels_of_no_cluster_add_nothing() {
    const std::vector<float> rows(2 * kDim, 1.0f), distances(2, 1.0f);
    for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{kClusters}}) {
        const std::vector<std::int64_t> labels{0, wrong};
        Held held;
        bool refused = false;
        try {
            add_to_sums(held.sums(), rows.data(), 2, labels.data(), distances.data(), 2);
        } catch (const std::invalid_argument&) {
            refused = true;
        }
        CHECK(refused && held == Held());
    }
}

constexpr Test kTests[] = {
    {"cluster: sums of bytes equal a loop", equal_a_loop_for_any_threads<std::uint8_t>},
    {"cluster: sums of floats equal a loop", equal_a_loop_for_any_threads<float>},
    {"cluster: labels of no cluster add nothing", labels_of_no_cluster_add_nothing},
};

}  // namespace

std::span<const Test> cluster_tests() {
    return kTests;
}
