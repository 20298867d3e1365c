// Exact search in Hamming space among rows that lie in clusters.
//
// With d a metric, a row x of a cluster with centre c is no nearer to the query q than
// |d(q, c) - d(x, c)|. Rows of a cluster lie in the order of d(x, c), so those that may be near
// enough are one stretch of memory, and most clusters have none.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../parallel.hpp"
#include "../store/rows.hpp"
#include "../walk/nearest.hpp"

namespace bitgrove::graph {

// Over the first `rows` of an index.
struct Clusters {
    static constexpr std::size_t kRun = 16;  // rows between two distances that are kept

    // Distances of a cluster's rows to its centre; of no rows: least above most.
    struct Span {
        std::uint16_t least, most;
    };

    std::size_t rows;
    std::size_t bytes;                  // of a row
    std::vector<std::uint8_t> centres;  // one after the other
    std::vector<std::uint32_t> starts;  // of each cluster among the codes, and the end
    std::vector<std::uint8_t> codes;    // cluster after cluster, then room to read on
    std::vector<Row> members;           // the row of each
    std::vector<Span> spans;
    std::vector<std::uint32_t> runs;  // of each cluster among the distances, and the end
    std::vector<std::uint16_t>
        distances;  // to the centre: of each first row of a run, and the most

    std::size_t count() const { return starts.size() - 1; }
};

// The longest codes that can be held so.
inline constexpr std::size_t kMaxClusteredBytes = 512;

// So many clusters, at most one for each row. The same for any number of threads. Throws what the
// tick throws, or for want of memory.
Clusters make_clusters(const Rows& rows, std::size_t count, std::size_t threads, const Tick& tick);

// How many suit the number of rows.
std::size_t best_clusters(std::size_t rows);

// One thread's search, with the memory that it uses again and again.
class ClusterSearch {
  public:
    explicit ClusterSearch(const Clusters& clusters);

    // Offers every row of the clusters that may be among the nearest; there is room for kPutDown.
    void nearest(const std::uint8_t* query, Nearest& best);
    // All rows within the radius, in any order.
    void within(const std::uint8_t* query, Key radius, std::vector<Ranked>& found);

    static constexpr std::size_t kPutDown =
        2048 + 64 + 64;  // rows of a scan, rounded up, and slack

  private:
    struct Stretch {
        std::size_t begin, end;  // of codes
    };
    // Distances to all centres, nearest first.
    void order(const std::uint8_t* query);
    bool may_hold(Ranked cluster, Key limit) const;
    // Rows of the cluster whose distance to the centre is within `limit` of the query's.
    Stretch stretch(Ranked cluster, Key limit) const;
    Stretch piece(Stretch some) const;
    // Appends those of a piece within the limit, as rows of the index.
    Ranked* scan(Stretch some, std::size_t stretch_end, Key limit, Ranked* end);

    const Clusters& clusters_;
    std::vector<std::uint64_t> query_;
    std::vector<Ranked> found_, order_;
    std::vector<std::uint32_t> at_;
};

}  // namespace bitgrove::graph
