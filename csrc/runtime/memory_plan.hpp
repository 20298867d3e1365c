// Lays out values in one arena; a dead value's place is used again.
#pragma once
#include <cstddef>
#include <map>
#include <vector>

#include "aligned.hpp"
#include "layout.hpp"

namespace bitgrove::runtime {

// Values with a border have a part of the arena for themselves, behind the others: a border is
// written once for all runs, so its place serves later only values of the same layout. The offsets
// of such values count from there.
class MemoryPlan {
  public:
    // Returns the offset, a multiple of 64 bytes.
    std::size_t take(const Layout& layout) {
        const std::size_t bytes = whole_lines(layout.bytes());
        if (layout.border.empty()) return first_fit(bytes);
        for (auto place = free_.begin(); place != free_.end(); ++place) {
            if (place->layout == layout) {
                const std::size_t offset = place->offset;
                free_.erase(place);
                return offset;
            }
        }
        bordered_bytes_ += bytes;
        return bordered_bytes_ - bytes;
    }

    void give_back(std::size_t offset, const Layout& layout) {
        if (layout.border.empty()) {
            taken_.erase(offset);
        } else {
            free_.push_back({offset, layout});
        }
    }

    std::size_t plain_bytes() const { return plain_bytes_; }
    std::size_t bytes() const { return plain_bytes_ + bordered_bytes_; }

  private:
    struct Place {
        std::size_t offset;
        Layout layout;
    };

    std::size_t first_fit(std::size_t bytes) {
        std::size_t at = 0;
        for (const auto& [offset, length] : taken_) {
            if (offset - at >= bytes) break;
            at = offset + length;
        }
        taken_[at] = bytes;
        if (at + bytes > plain_bytes_) plain_bytes_ = at + bytes;
        return at;
    }

    std::map<std::size_t, std::size_t> taken_;  // offset to length
    std::vector<Place> free_;                   // of values with a border
    std::size_t plain_bytes_ = 0, bordered_bytes_ = 0;
};

}  // namespace bitgrove::runtime
