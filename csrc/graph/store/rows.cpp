#include "rows.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

namespace bitgrove::graph {

void Rows::append(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids) {
    if (count == 0) return;
    if (count >= kNoRow - 1 - size_)
        throw std::invalid_argument("an index holds fewer than 2^32 - 2 rows");
    check_rows(format_, rows, count, "vectors");
    const auto refuse = [](const char* why, std::int64_t id) {
        throw std::invalid_argument("ids must be unique and not negative: id " +
                                    std::to_string(id) + " " + why);
    };
    const auto id_of = [&](std::size_t i) {
        return ids ? ids[i] : static_cast<std::int64_t>(size_ + i);
    };
    bool running = running_;
    for (std::size_t i = 0; i < count; ++i) {
        if (id_of(i) < 0) refuse("is negative", id_of(i));
        running = running && id_of(i) == static_cast<std::int64_t>(size_ + i);
    }
    reserve(size_ + count);
    if (!running) {
        std::unordered_set<std::int64_t> fresh;
        fresh.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            const std::int64_t id = id_of(i);
            const bool held =
                running_ ? id < static_cast<std::int64_t>(size_) : used_.count(id) > 0;
            if (held)
                refuse(ids ? "is held already" : "(the row's number) is held already; give ids",
                       id);
            if (!fresh.insert(id).second) refuse("is given twice", id);
        }
        if (running_) {
            for (std::size_t r = 0; r < size_; ++r) used_.insert(static_cast<std::int64_t>(r));
            running_ = false;
        }
        used_.merge(fresh);
    }
    std::memcpy(data_.get() + size_ * format_.row_bytes, rows, count * format_.row_bytes);
    for (std::size_t i = 0; i < count; ++i) ids_[size_ + i] = id_of(i);
    size_ += count;
}

void Rows::reserve(std::size_t rows) {
    if (rows <= capacity_) return;
    const std::size_t capacity = std::max(rows, capacity_ + capacity_ / 2);
    std::shared_ptr<std::uint8_t[]> data(new std::uint8_t[capacity * format_.row_bytes]);
    std::shared_ptr<std::int64_t[]> ids(new std::int64_t[capacity]);
    if (size_) {
        std::memcpy(data.get(), data_.get(), size_ * format_.row_bytes);
        std::memcpy(ids.get(), ids_.get(), size_ * sizeof(std::int64_t));
    }
    data_ = std::move(data);
    ids_ = std::move(ids);
    capacity_ = capacity;
}

}  // namespace bitgrove::graph
