#include "rows.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <utility>

namespace bitgrove::graph {
namespace {

constexpr std::int64_t kMaxId = std::numeric_limits<std::int64_t>::max() - 1;

[[noreturn]] void refuse(std::int64_t id, const char* why) {
    throw std::invalid_argument("ids must be unique and in 0 .. 2^63 - 2: id " +
                                std::to_string(id) + " " + why);
}

}  // namespace

void Rows::append(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids) {
    check(rows, count, ids, false);
    place(rows, count, ids, false);
    enter();
}

void Rows::check(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                 bool free_soon) const {
    if (count > kMaxRows - size_) {
        throw std::invalid_argument("an index holds at most 2^31 - 2 rows");
    }
    check_rows(format_, rows, count, "vectors");
    if (!ids) {
        if (static_cast<std::int64_t>(count) > kMaxId - next_id_) {
            refuse(kMaxId, "is held already, so that no number follows it; give ids");
        }
        return;
    }
    bool rising = true;
    for (std::size_t i = 0; i < count; ++i) {
        if (ids[i] < 0) refuse(ids[i], "is negative");
        if (ids[i] > kMaxId) refuse(ids[i], "is too large");
        if (!free_soon && find(ids[i]) != kNoRow) refuse(ids[i], "is held already");
        rising = rising && (i == 0 || ids[i] > ids[i - 1]);
    }
    if (rising) return;
    std::unordered_set<std::int64_t> fresh;
    fresh.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        if (!fresh.insert(ids[i]).second) refuse(ids[i], "is given twice");
    }
}

void Rows::place(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                 bool free_soon) {
    if (count == 0) return;
    reserve(size_ + count);
    const auto id = [&](std::size_t i) {
        return ids ? ids[i] : next_id_ + static_cast<std::int64_t>(i);
    };
    bool runs = running() && found_ == size_ && !free_soon;
    for (std::size_t i = 0; runs && i < count; ++i) {
        runs = id(i) == static_cast<std::int64_t>(size_ + i);
    }
    if (!runs) {
        if (running()) make_map();
        map_.reserve(ids_.get(), count);
    }
    std::memcpy(data_.get() + size_ * format_.row_bytes, rows, count * format_.row_bytes);
    for (std::size_t i = 0; i < count; ++i) ids_[size_ + i] = id(i);
    size_ += count;
}

void Rows::enter() {
    for (; entered_ < size_; ++entered_) {
        next_id_ = std::max(next_id_, ids_[entered_] + 1);
        if (!running()) map_.insert(ids_.get(), static_cast<Row>(entered_));
    }
    if (running()) found_ = entered_;
}

void Rows::abandon() {
    entered_ = size_;
}

void Rows::attach(Block<std::uint8_t> rows, Block<std::int64_t> ids, std::size_t count,
                  std::int64_t next_id) {
    if (count > kMaxRows) throw std::invalid_argument("an index holds at most 2^31 - 2 rows");
    bool runs = true;
    for (std::size_t r = 0; r < count; ++r) {
        if (ids[r] < 0 || ids[r] >= next_id) refuse(ids[r], "is negative or not below next_id");
        runs = runs && ids[r] == static_cast<std::int64_t>(r);
    }
    Rows fresh(format_);
    fresh.data_ = std::move(rows);
    fresh.ids_ = std::move(ids);
    fresh.size_ = fresh.entered_ = fresh.found_ = fresh.capacity_ = count;
    fresh.next_id_ = next_id;
    if (!runs) {
        fresh.make_map();
        for (std::size_t r = 0; r < count; ++r) {
            if (fresh.find(fresh.ids_[r]) != r) refuse(fresh.ids_[r], "is given twice");
        }
    }
    *this = std::move(fresh);
}

Row Rows::find(std::int64_t id) const {
    if (running()) {
        return id >= 0 && id < static_cast<std::int64_t>(found_) ? static_cast<Row>(id) : kNoRow;
    }
    return map_.find(ids_.get(), id);
}

void Rows::release_id(Row row) {
    if (running()) make_map();
    map_.erase(ids_.get(), ids_[row]);
}

void Rows::rearrange(const std::vector<Row>& kept) {
    Rows fresh(format_);
    fresh.reserve(kept.size());
    bool runs = true;
    for (std::size_t r = 0; r < kept.size(); ++r) {
        std::memcpy(fresh.data_.get() + r * format_.row_bytes, row(kept[r]), format_.row_bytes);
        fresh.ids_[r] = ids_[kept[r]];
        runs = runs && fresh.ids_[r] == static_cast<std::int64_t>(r);
    }
    fresh.size_ = fresh.entered_ = fresh.found_ = kept.size();
    fresh.next_id_ = next_id_;
    if (!runs) fresh.make_map();
    *this = std::move(fresh);
}

void Rows::make_map() {
    map_.rebuild(ids_.get(), found_);
}

void Rows::reserve(std::size_t rows) {
    if (rows <= capacity_) return;
    const std::size_t capacity = std::max(rows, capacity_ + capacity_ / 2);
    auto data = allocate_block<std::uint8_t>(capacity * format_.row_bytes);
    auto ids = allocate_block<std::int64_t>(capacity);
    if (size_) {
        std::memcpy(data.get(), data_.get(), size_ * format_.row_bytes);
        std::memcpy(ids.get(), ids_.get(), size_ * sizeof(std::int64_t));
    }
    data_ = std::move(data);
    ids_ = std::move(ids);
    capacity_ = capacity;
}

}  // namespace bitgrove::graph
