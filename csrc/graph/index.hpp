// The two indexes, ready for several threads.
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

#include "access.hpp"
#include "build/restore.hpp"
#include "walk/search.hpp"

namespace bitgrove::graph {

// All rows within a radius of each query: those of query q are limits[q] .. limits[q + 1].
struct RangeResult {
    RangeResult(const std::vector<std::vector<TopK::Item>>& found, const Space& space);

    std::vector<std::int64_t> limits;
    std::vector<float> distances;
    std::vector<std::int64_t> ids;
};

// What both indexes share: the rows under locks.
//
// Changes run one at a time. They run beside searches, which see the index as it was before; what
// searches must not see half done is done alone, in moments.
class Index {
  public:
    explicit Index(const Format& format);
    virtual ~Index();
    Index(const Index&) = delete;
    Index& operator=(const Index&) = delete;

    const Format& format() const { return rows_.format(); }
    std::size_t size() const { return size_.load(std::memory_order_acquire); }
    // What it shows never changes. Shares the memory, unless rows were removed since the last
    // tidying.
    RowsView rows() const;
    // What the next row gets as id if it is added without one.
    std::int64_t next_id() const;

    // Compares every row. Ties go to the lower id. Throws std::invalid_argument for faulty queries.
    void search_all(const Queries& queries, const Tick& tick) const;
    RangeResult range_all(const Queries& queries, float radius, const Tick& tick) const;

    // All of these change everything, or throw and change nothing: std::invalid_argument, what the
    // tick throws, or for want of memory.
    virtual void add(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                     std::size_t threads, const Tick& tick) = 0;
    virtual void remove(const std::int64_t* ids, std::size_t count, std::size_t threads) = 0;
    // The rows take the place of those of these ids.
    virtual void update(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                        std::size_t threads, const Tick& tick) = 0;

    // Around a fork, so that the child can search; see fork.cpp.
    void before_fork();
    void after_fork_in_parent();
    virtual void after_fork_in_child();

  protected:
    // Refuses to wait for the thread that waits: a progress callback that uses the index that is
    // being built would never return.
    std::shared_lock<std::shared_mutex> reading() const;

    // While it lives, no other change runs.
    class Changing {
      public:
        explicit Changing(const Index& index);
        ~Changing();

      private:
        const Index& index_;
        std::unique_lock<std::mutex> turn_;
    };
    // Rows that borrow memory, for an index without rows.
    Rows taken_over(Block<std::uint8_t> rows, Block<std::int64_t> ids, std::size_t count,
                    std::int64_t next_id, bool verify) const;
    Access access() const { return {gate_, lock_}; }

    // Rows of distinct ids; throws for others.
    std::vector<Row> distinct_rows(const std::int64_t* ids, std::size_t count) const;
    std::vector<Row> rows_of(const std::int64_t* ids, std::size_t count) const;
    // The rows allowed that are within the radius, by comparing all of them.
    RangeResult scan_range(const Queries& queries, float radius, const Tick& tick,
                           const Allowed& allowed) const;
    // Takes rows away and appends others, where there is no graph.
    void replace(const std::vector<Row>& gone, const std::uint8_t* rows, std::size_t count,
                 const std::int64_t* ids);
    // To be called alone, after a change of the rows.
    void settle();

    // Rows that may be results, without a filter.
    Allowed visible() const;
    std::size_t visible_count() const { return settled_ - removed_; }

    Rows rows_;
    std::size_t settled_ = 0;          // rows that are linked: only they may be results
    std::vector<std::uint8_t> alive_;  // flags of rows that were not removed; empty: all
    std::size_t removed_ = 0;
    std::atomic<std::size_t> size_{0};
    mutable std::mutex changes_;  // held by a change, all the time
    mutable std::mutex gate_;  // passed in turn, so that searches without a pause starve no change
    mutable std::shared_mutex lock_;  // what searches read: held shared by them, alone by a change
    mutable std::atomic<std::thread::id> changer_{};

  private:
    void refuse_reentry() const;
    bool torn_ = false;  // in a child that was forked in the middle of a change
};

class FlatIndex : public Index {
  public:
    using Index::Index;
    void add(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
             std::size_t threads, const Tick& tick) override;
    void remove(const std::int64_t* ids, std::size_t count, std::size_t threads) override;
    void update(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                std::size_t threads, const Tick& tick) override;
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
             std::size_t threads, const Tick& tick) override;
    // Rows that are removed vanish from results at once. When they are many, or when no ids are
    // given, the index is tidied: the graph is mended where they were, and their memory is freed.
    void remove(const std::int64_t* ids, std::size_t count, std::size_t threads) override;
    void update(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                std::size_t threads, const Tick& tick) override;
    // Whether rows were removed since the last tidying, or one cannot be reached.
    bool untidy() const;

    // Searches go on in the old graph until the new one is ready. A tick that throws leaves the
    // index as it was.
    void build(const BuildOptions& options, const Tick& tick);
    void build_by_traversal(const TraverseOptions& options, const Tick& tick);

    // What may be asked of `search`, with ids instead of rows.
    struct Asked {
        std::size_t width = kWidth;
        std::size_t budget = 0;                        // distances; 0: no limit
        std::optional<std::chrono::nanoseconds> time;  // for each query
        const std::int64_t* starts = nullptr;          // one id for each query
        const std::uint8_t* flags = nullptr;           // of rows, as `rows` shows them ...
        const std::int64_t* filter = nullptr;          // ... or ids: those that may be results
        std::size_t filter_count = 0;
        std::size_t interleave = 1;  // queries of one thread that take turns, at least 1
    };
    // Throws std::logic_error if it is not built and holds more than one row, std::invalid_argument
    // for an unknown id and for flags that are not one for each row.
    void search(const Queries& queries, const Asked& asked, const Tick& tick) const;
    // Algorithm 3 on exact distances, at most `budget` for each query, along the `degree` shortest
    // edges of each vertex.
    void backtrack(const Queries& queries, std::size_t budget, std::size_t degree,
                   const std::int64_t* starts, const Tick& tick) const;

    // All rows within the radius, nearly always; `queries` needs no room for results.
    RangeResult range(const Queries& queries, float radius, const Asked& asked,
                      const Tick& tick) const;

    void after_fork_in_child() override;

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
    // Throws std::logic_error if the index is untidy.
    State state() const;
    // For an index without rows; takes over what `stored` borrows.
    void restore(Block<std::uint8_t> rows, Block<std::int64_t> ids, std::size_t count,
                 std::int64_t next_id, std::optional<Stored> stored, bool verify);

  private:
    // What a search needs besides its queries, in memory that lives as long.
    struct Prepared {
        SearchOptions options;
        std::vector<Row> starts, list, entries;
        std::vector<std::uint8_t> flags;
    };
    Prepared prepare(const Queries& queries, const Asked& asked) const;
    const Graph& graph() const;
    // Appends rows; those replaced vanish in the moment in which the new ones appear.
    void grow(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
              const std::vector<Row>& replaced, std::size_t threads, const Tick& tick);
    // Searches bear a fault in rows or edges; what changes the graph does not, and calls this
    // first.
    void check_once();
    void hide(const std::vector<Row>& rows);
    void tidy(std::size_t threads);
    void tidy_if_due(std::size_t threads);
    void take_over(Rows&& rows, Graph&& graph);
    Rows rows_left() const;
    // Calls work(searches, begin, end) for blocks of queries, with so many searches; it returns how
    // many distances it computed.
    template <typename Work>
    void for_each_block(const Queries& queries, std::size_t searches, const Tick& tick,
                        Work work) const;

    std::uint32_t max_degree_;
    std::optional<Graph> graph_;
    bool grown_ = false;  // since it was last seen that every vertex can be reached
    std::optional<std::size_t> stranded_;  // the first of rows that are in the graph in part
    bool checked_ = true;  // rows and edges; not those of a mapped file until the first change
    std::atomic<bool> built_{false};
    mutable std::atomic<std::size_t> computed_{0};
    mutable std::mutex idle_lock_;
    mutable std::vector<std::unique_ptr<Search>> idle_;  // searches that wait for use
};

}  // namespace bitgrove::graph
