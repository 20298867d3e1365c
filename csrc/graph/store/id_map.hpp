// From ids to rows: open addressing over the ids that the rows hold.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "../key.hpp"

namespace bitgrove::graph {

// Every call gets the same array of ids, by row.
class IdMap {
  public:
    bool empty() const { return slots_.empty(); }

    void rebuild(const std::int64_t* ids, std::size_t rows) {
        std::size_t slots = 16;
        while (slots < 2 * rows + 2) slots *= 2;
        slots_ = std::vector<Row>(slots, kNoRow);
        size_ = 0;
        for (std::size_t r = 0; r < rows; ++r) insert(ids, static_cast<Row>(r));
    }

    Row find(const std::int64_t* ids, std::int64_t id) const {
        for (std::size_t i = home(id);; i = (i + 1) & mask()) {
            if (slots_[i] == kNoRow || ids[slots_[i]] == id) return slots_[i];
        }
    }

    // The row's id must not be in the map.
    void insert(const std::int64_t* ids, Row row) {
        reserve(ids, 1);
        place(ids, row);
        ++size_;
    }

    // So many more can be inserted, also after others were erased, without memory. May throw, and
    // changes nothing then.
    void reserve(const std::int64_t* ids, std::size_t more) {
        std::size_t slots = slots_.size();
        while (2 * (size_ + more) >= slots) slots *= 2;
        if (slots == slots_.size()) return;
        std::vector<Row> held(slots, kNoRow);
        std::swap(held, slots_);
        for (const Row row : held) {
            if (row != kNoRow) place(ids, row);
        }
    }

    // The id must be in the map. Later entries move up, so that no gap ends a search too early.
    void erase(const std::int64_t* ids, std::int64_t id) {
        std::size_t gap = home(id);
        while (ids[slots_[gap]] != id) gap = (gap + 1) & mask();
        for (std::size_t i = (gap + 1) & mask(); slots_[i] != kNoRow; i = (i + 1) & mask()) {
            const std::size_t wanted = home(ids[slots_[i]]);
            if (((i - wanted) & mask()) < ((i - gap) & mask())) continue;
            slots_[gap] = slots_[i];
            gap = i;
        }
        slots_[gap] = kNoRow;
        --size_;
    }

  private:
    std::size_t mask() const { return slots_.size() - 1; }
    std::size_t home(std::int64_t id) const {
        const auto x = static_cast<std::uint64_t>(id) * 0x9e3779b97f4a7c15u;
        return (x ^ (x >> 32)) & mask();
    }
    void place(const std::int64_t* ids, Row row) {
        std::size_t i = home(ids[row]);
        while (slots_[i] != kNoRow) i = (i + 1) & mask();
        slots_[i] = row;
    }

    std::vector<Row> slots_;  // a power of two, at most half of them taken
    std::size_t size_ = 0;
};

}  // namespace bitgrove::graph
