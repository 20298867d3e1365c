// The rows and ids of an index: append-only, so that a view handed out stays true.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_set>

#include "../key.hpp"
#include "format.hpp"

namespace bitgrove::graph {

// The rows and ids at one moment: they never change or move while it lives.
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

    // Null ids stand for the running row numbers. Throws std::invalid_argument, and changes
    // nothing, for a faulty row, a negative id, or an id given twice or held already.
    void append(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids);

    RowsView view() const { return {data_, ids_, size_}; }

  private:
    void reserve(std::size_t rows);

    Format format_;
    std::size_t size_ = 0, capacity_ = 0;
    std::shared_ptr<std::uint8_t[]> data_;
    std::shared_ptr<std::int64_t[]> ids_;
    bool running_ = true;                    // every id is its row's number: no set is needed
    std::unordered_set<std::int64_t> used_;  // empty while running_
};

}  // namespace bitgrove::graph
