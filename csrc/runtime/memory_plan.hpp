// Lays out values in one arena; a dead value's place is used again.
#pragma once
#include <cstddef>
#include <map>

namespace bitgrove::runtime {

class MemoryPlan {
  public:
    // First fit among the gaps; returns the offset, a multiple of 64 bytes.
    std::size_t take(std::size_t bytes) {
        bytes = (bytes + 63) / 64 * 64;
        std::size_t at = 0;
        for (const auto& [offset, length] : taken_) {
            if (offset - at >= bytes) break;
            at = offset + length;
        }
        taken_[at] = bytes;
        if (at + bytes > peak_) peak_ = at + bytes;
        return at;
    }

    void give_back(std::size_t offset) { taken_.erase(offset); }

    std::size_t peak() const { return peak_; }

  private:
    std::map<std::size_t, std::size_t> taken_;  // offset to length
    std::size_t peak_ = 0;
};

}  // namespace bitgrove::runtime
