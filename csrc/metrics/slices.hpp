// A database of packed codes, held so that distances from many queries can be counted.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../dispatch/table.hpp"
#include "../runtime/aligned.hpp"

namespace bitgrove::metrics {

struct CountRequest {
    const std::uint8_t* queries;  // n * bytes
    std::size_t n;
    const std::uint64_t* masks;  // n_masks * words(): bit i of word w is row 64 * w + i
    std::size_t n_masks;
    const std::uint32_t* mask_of;  // n: which mask says what is relevant
    std::uint32_t* others;         // n * (8 * bytes + 1), written
    std::uint32_t* relevant;       // likewise
};

class Slices {
  public:
    // Copies n >= 1 rows of `bytes` bytes. Throws std::invalid_argument past the limits.
    Slices(const std::uint8_t* codes, std::size_t n, std::size_t bytes);

    std::size_t rows() const { return n_; }
    std::size_t bytes() const { return bytes_; }
    std::size_t words() const { return blocks_ * kCountWords; }  // of a mask

    // Throws std::invalid_argument if a mask has rows that are not there, or is not there itself.
    void count(const CountRequest& request, const Kernels& kernels, std::size_t threads) const;

  private:
    const std::uint64_t* planes() const {
        return reinterpret_cast<const std::uint64_t*>(planes_.get());
    }

    std::size_t n_, bytes_, blocks_;
    runtime::Aligned planes_;
};

}  // namespace bitgrove::metrics
