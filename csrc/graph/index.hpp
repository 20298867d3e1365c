// The two indexes, ready for several threads: searches run side by side, changes run alone.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <thread>

#include "graph.hpp"

namespace bitgrove::graph {

struct Queries {
    const std::uint8_t* rows;
    std::size_t count;
    std::size_t k;
    std::size_t threads;
    float* distances;   // count * k
    std::int64_t* ids;  // count * k
};

// What both indexes share: the rows under a lock.
class Index {
  public:
    explicit Index(const Format& format) : rows_(format) {}
    virtual ~Index() = default;
    Index(const Index&) = delete;
    Index& operator=(const Index&) = delete;

    const Format& format() const { return rows_.format(); }
    std::size_t size() const { return size_.load(std::memory_order_acquire); }
    // Shares the memory: what it shows never changes.
    RowsView rows() const;

    // Compares every row. Ties go to the lower id. Throws std::invalid_argument for faulty queries.
    void search_all(const Queries& queries, const Tick& tick) const;

  protected:
    // Locks that refuse to wait for the thread that waits: a progress callback that asks the index
    // being built would never return.
    std::shared_lock<std::shared_mutex> reading() const;
    struct Writing {
        explicit Writing(Index& index);
        ~Writing();
        Index& index;
        std::unique_lock<std::shared_mutex> lock;
    };
    void scan(const Queries& queries, const Tick& tick) const;

    Rows rows_;
    std::atomic<std::size_t> size_{0};
    mutable std::mutex gate_;  // passed in turn, so that searches without a pause starve no change
    mutable std::shared_mutex lock_;
    mutable std::atomic<std::thread::id> writer_{};

  private:
    void refuse_reentry() const;
};

class FlatIndex : public Index {
  public:
    using Index::Index;
    void add(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids);
};

class FanngIndex : public Index {
  public:
    FanngIndex(const Format& format, std::uint32_t max_degree);

    std::uint32_t max_degree() const { return max_degree_; }
    bool built() const { return built_.load(std::memory_order_acquire); }
    // Distances that searches have computed so far.
    std::size_t distances_computed() const { return computed_.load(); }

    void add(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids);
    void build(const BuildOptions& options, const Tick& tick);
    // Algorithm 3 with at most `budget` distances per query. Throws std::logic_error if it is not
    // built and holds more than one row.
    void search(const Queries& queries, std::size_t budget, const Tick& tick) const;

    struct State {
        RowsView rows;
        bool built;
        std::vector<std::uint32_t> degrees;
        std::vector<Row> ends;
        std::int64_t start;
        double squared_bound;
        std::size_t checked;
    };
    State state() const;
    // For an index with rows and no graph.
    void restore(const std::uint32_t* degrees, std::size_t degree_count, const Row* ends,
                 std::size_t end_count, std::int64_t start, double squared_bound,
                 std::size_t checked);

  private:
    std::uint32_t max_degree_;
    std::optional<Graph> graph_;
    std::atomic<bool> built_{false};
    mutable std::atomic<std::size_t> computed_{0};
};

}  // namespace bitgrove::graph
