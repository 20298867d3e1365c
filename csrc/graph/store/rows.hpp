// The rows and ids of an index. What a view shows never changes or moves: rows are appended behind
// it, and whatever else changes makes new arrays.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "../key.hpp"
#include "block.hpp"
#include "format.hpp"
#include "id_map.hpp"

namespace bitgrove::graph {

inline constexpr std::size_t kMaxRows = (std::size_t{1} << 31) - 2;

// The rows and ids at one moment.
struct RowsView {
    std::shared_ptr<const std::uint8_t[]> data;
    std::shared_ptr<const std::int64_t[]> ids;
    std::size_t count;
};

class Rows {
  public:
    explicit Rows(const Format& format) : format_(format) {}

    const Format& format() const { return format_; }
    std::size_t size() const { return size_; }
    const std::uint8_t* row(std::size_t r) const { return data_.get() + r * format_.row_bytes; }
    std::int64_t id(std::size_t r) const { return ids_[r]; }

    // Null ids stand for the numbers that follow the largest ever held. Throws
    // std::invalid_argument, and changes nothing, for a faulty row, a negative id, or an id given
    // twice or held already.
    void append(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids);

    // The parts of `append`. Rows that were placed are not found by their ids until they enter.
    // `free_soon` says that the ids are those of rows that will release them before that. Only
    // `place` needs memory, and changes nothing where there is none: what follows cannot fail.
    void check(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
               bool free_soon) const;
    void place(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
               bool free_soon);
    void enter();
    void abandon();  // never to be found

    // Takes over rows and ids from outside; throws as `append` does, for ids only.
    void attach(Block<std::uint8_t> rows, Block<std::int64_t> ids, std::size_t count,
                std::int64_t next_id);
    std::int64_t next_id() const { return next_id_; }

    // The row of an id, or kNoRow.
    Row find(std::int64_t id) const;
    // Makes the id of a row free, so that another row may take it; the row keeps showing it. The
    // first one may need memory, before it changes anything.
    void release_id(Row row);

    // Keeps the rows listed, in this order. All other rows must have released their ids.
    void rearrange(const std::vector<Row>& kept);

    RowsView view() const { return {data_, ids_, size_}; }

  private:
    void reserve(std::size_t rows);
    // Rows 0 .. found hold the ids 0 .. found, in order: then no map is needed. Those behind them,
    // if they entered, were abandoned.
    bool running() const { return map_.empty(); }
    void make_map();

    Format format_;
    std::size_t size_ = 0, entered_ = 0, found_ = 0, capacity_ = 0;
    Block<std::uint8_t> data_;
    Block<std::int64_t> ids_;
    IdMap map_;
    std::int64_t next_id_ = 0;
};

}  // namespace bitgrove::graph
