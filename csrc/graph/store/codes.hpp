// The codes of all rows, in one block.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "block.hpp"
#include "coder.hpp"

namespace bitgrove::graph {

class Codes {
  public:
    explicit Codes(Coder coder) : coder_(std::move(coder)), stride_(stride_of(coder_.bytes())) {}
    // Takes over codes from outside, rows * stride_of(coder.bytes()) bytes.
    Codes(Coder coder, Block<std::uint8_t> data, std::size_t rows)
        : coder_(std::move(coder)),
          stride_(stride_of(coder_.bytes())),
          size_(rows),
          capacity_(rows),
          data_(std::move(data)) {}

    // Whole half cache lines, so that a code touches as few of them as it can.
    static std::size_t stride_of(std::size_t bytes) { return (bytes + 31) / 32 * 32; }

    const Coder& coder() const { return coder_; }
    std::size_t size() const { return size_; }
    std::size_t bytes() const { return coder_.bytes(); }
    std::size_t stride() const { return stride_; }
    const std::uint8_t* data() const { return data_.get(); }
    std::uint8_t* code(std::size_t row) { return data_.get() + row * stride_; }
    const std::uint8_t* code(std::size_t row) const { return data_.get() + row * stride_; }

    // New codes are zero.
    void resize(std::size_t rows) {
        if (rows > capacity_) {
            const std::size_t capacity = std::max(rows, capacity_ + capacity_ / 2);
            Block<std::uint8_t> data = allocate_block<std::uint8_t>(capacity * stride_);
            if (size_) std::memcpy(data.get(), data_.get(), size_ * stride_);
            data_ = std::move(data);
            capacity_ = capacity;
        }
        if (rows > size_) std::memset(code(size_), 0, (rows - size_) * stride_);
        size_ = rows;
    }

    // The same rows in another order, or fewer of them.
    Codes rearranged(const std::vector<Row>& kept) const {
        Codes codes(coder_);
        codes.resize(kept.size());
        for (std::size_t i = 0; i < kept.size(); ++i) {
            std::memcpy(codes.code(i), code(kept[i]), stride_);
        }
        return codes;
    }

  private:
    Coder coder_;
    std::size_t stride_, size_ = 0, capacity_ = 0;
    Block<std::uint8_t> data_;
};

}  // namespace bitgrove::graph
