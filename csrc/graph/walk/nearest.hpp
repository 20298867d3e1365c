// The k nearest of many rows that arrive in blocks: what is near enough is only put down, and now
// and then the farther part is thrown away. A row costs a comparison with the limit, no heap.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "../key.hpp"

namespace bitgrove::graph {

class Nearest {
  public:
    // k at least 1; at most `block` rows are put down between two calls of `settle`. `ids` are
    // those of all rows.
    Nearest(std::size_t k, std::size_t block, const std::int64_t* ids)
        : k_(k),
          full_(k + std::max(k, kWaiting)),
          ids_(ids),
          rows_(std::make_unique_for_overwrite<Ranked[]>(full_ + std::max(k, block))),
          end_(rows_.get()) {}

    // Rows farther than this are none of the k nearest.
    Key limit() const { return limit_; }

    // Where the next row goes, with room for the block; the caller moves it on.
    Ranked*& end() { return end_; }

    // Makes room for the next block, and lowers the limit.
    void settle() {
        if (held() >= full_ || limit_ == kFarthest) tighten();
    }

    // The same, where the least limit is worth more than the time that it takes.
    void tighten() {
        if (held() < k_) return;
        Ranked* const first = rows_.get();
        std::nth_element(first, first + k_ - 1, end_, Nearer{ids_});
        limit_ = key_of(first[k_ - 1]);
        end_ = first + k_;
    }

    // Takes the rows that another has found, k at most.
    void take(std::span<const Ranked> others) {
        end_ = std::copy(others.begin(), others.end(), end_);
        settle();
    }

    // The k nearest, or all there are: by distance, then by id.
    std::span<const Ranked> sorted() {
        const std::size_t held = this->held(), kept = std::min(k_, held);
        Ranked* const first = rows_.get();
        std::partial_sort(first, first + kept, first + held, Nearer{ids_});
        end_ = first + kept;
        return {first, kept};
    }

  private:
    static constexpr std::size_t kWaiting = 32;
    static constexpr Key kFarthest = 0xffffffffu;

    struct Nearer {
        const std::int64_t* ids;
        bool operator()(Ranked a, Ranked b) const {
            return key_of(a) != key_of(b) ? a < b : ids[row_of(a)] < ids[row_of(b)];
        }
    };

    std::size_t held() const { return static_cast<std::size_t>(end_ - rows_.get()); }

    std::size_t k_, full_;
    const std::int64_t* ids_;
    Key limit_ = kFarthest;
    std::unique_ptr<Ranked[]> rows_;
    Ranked* end_;
};

}  // namespace bitgrove::graph
