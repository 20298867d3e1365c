// The two indexes, ready for several threads: searches run side by side, changes run alone.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "build/restore.hpp"
#include "walk/search.hpp"

namespace bitgrove::graph {

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
    // What the next row gets as id if it is added without one.
    std::int64_t next_id() const;

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
    // Rows that borrow memory, for an index without rows.
    Rows taken_over(Block<std::uint8_t> rows, Block<std::int64_t> ids, std::size_t count,
                    std::int64_t next_id, bool verify) const;

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
    // For an index without rows; takes over what is borrowed.
    void restore(Block<std::uint8_t> rows, Block<std::int64_t> ids, std::size_t count,
                 std::int64_t next_id, bool verify);
};

class FanngIndex : public Index {
  public:
    FanngIndex(const Format& format, std::uint32_t max_degree);

    std::uint32_t max_degree() const { return max_degree_; }
    bool built() const { return built_.load(std::memory_order_acquire); }
    // Distances that searches have computed so far.
    std::size_t distances_computed() const { return computed_.load(); }

    void add(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
             std::size_t threads);
    void build(const BuildOptions& options, const Tick& tick);
    void build_by_traversal(const TraverseOptions& options, const Tick& tick);

    // What may be asked of `search`, with ids instead of rows.
    struct Asked {
        std::size_t width = kWidth;
        std::size_t budget = 0;                        // distances; 0: no limit
        std::optional<std::chrono::nanoseconds> time;  // for each query
        const std::int64_t* starts = nullptr;          // one id for each query
        const std::uint8_t* flags = nullptr;           // of rows that may be results
        std::size_t flag_count = 0;
    };
    // Throws std::logic_error if it is not built and holds more than one row, std::invalid_argument
    // for an unknown id and for flags that are not one for each row.
    void search(const Queries& queries, const Asked& asked, const Tick& tick) const;
    // Algorithm 3 on exact distances, at most `budget` for each query, along the `degree` shortest
    // edges of each vertex.
    void backtrack(const Queries& queries, std::size_t budget, std::size_t degree,
                   const std::int64_t* starts, const Tick& tick) const;

    // Flags of the rows that have these ids. Throws std::invalid_argument for an unknown id.
    std::vector<std::uint8_t> flags_of(const std::int64_t* ids, std::size_t count) const;

    // Everything that a file holds. The arrays are copies, but for those of the view.
    struct State {
        RowsView rows;
        std::int64_t next_id = 0;
        bool built = false;
        std::vector<Row> edges;     // rows * max_degree, unused places kNoRow
        std::vector<Row> vertices;  // of each row; empty: each its own
        std::vector<float> low;     // of the coder; empty: no codes
        float step = 1;
        std::size_t lift_places = 0;
        bool exact = false;
        std::vector<std::uint8_t> codes;  // rows * Codes::stride_of(bytes)
        std::int64_t start = -1;
        double squared_bound = 0;
        std::size_t checked = 0;
    };
    State state() const;
    // For an index without rows; takes over what `stored` borrows.
    void restore(Block<std::uint8_t> rows, Block<std::int64_t> ids, std::size_t count,
                 std::int64_t next_id, std::optional<Stored> stored, bool verify);

  private:
    std::vector<Row> rows_of(const std::int64_t* ids, std::size_t count) const;
    const Graph& graph() const;
    // Searches bear a fault in rows or edges; what changes the graph does not, and calls this
    // first.
    void check_once();

    std::uint32_t max_degree_;
    std::optional<Graph> graph_;
    bool checked_ = true;  // rows and edges; not those of a mapped file until the first change
    std::atomic<bool> built_{false};
    mutable std::atomic<std::size_t> computed_{0};
    mutable std::mutex idle_lock_;
    mutable std::vector<std::unique_ptr<Search>> idle_;  // searches that wait for use
};

}  // namespace bitgrove::graph
