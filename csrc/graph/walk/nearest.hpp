// The k nearest of many rows that arrive in blocks: what is near enough is only put down, and now
// and then the farther part is thrown away. A row costs a comparison with the limit, no heap.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "../key.hpp"
#include "select.hpp"

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
        if (held() < full_ && limit_ != kFarthest) return;
        if (k_ >= kMany && held() >= k_) limit_ = std::min(limit_, thin(rows_.get(), end_, k_));
        if (held() > k_ + (full_ - k_) / 2 || limit_ == kFarthest) tighten();
    }

    // The same, where the least limit is worth more than the time that it takes.
    void tighten() {
        if (held() < k_) return;
        keep_nearest();
        limit_ = key_of(rows_[k_ - 1]);
    }

    // Takes the rows that another has found, k at most.
    void take(std::span<const Ranked> others) {
        end_ = std::copy(others.begin(), others.end(), end_);
        settle();
    }

    // The k nearest, or all there are: by distance, then by id.
    std::span<const Ranked> sorted() {
        Ranked* const first = rows_.get();
        if (held() > k_) {
            if (k_ >= kMany) thin(first, end_, k_);
            keep_nearest();
        }
        order_by_key(first, end_, first + held());
        for (Ranked *tied = first, *next; tied != end_; tied = next) {
            next =
                std::find_if(tied + 1, end_, [&](Ranked r) { return key_of(r) != key_of(*tied); });
            if (!std::is_sorted(tied, next, BelowById{ids_})) {
                std::sort(tied, next, BelowById{ids_});
            }
        }
        return {first, held()};
    }

  private:
    static constexpr std::size_t kWaiting = 32;
    static constexpr std::size_t kMany = 1000;  // from here on a sample pays
    static constexpr Key kFarthest = 0xffffffffu;

    struct BelowById {
        const std::int64_t* ids;
        bool operator()(Ranked a, Ranked b) const { return ids[row_of(a)] < ids[row_of(b)]; }
    };

    // Leaves the k nearest, the last of them in its place. Whole numbers are compared, which takes
    // rows at equal distance by row; where these straddle the end, they are taken anew by id.
    void keep_nearest() {
        Ranked *const first = rows_.get(), *const cut = first + k_;
        std::nth_element(first, cut - 1, end_);
        const Key last = key_of(cut[-1]);
        Ranked* const tied_end =
            std::partition(cut, end_, [&](Ranked r) { return key_of(r) == last; });
        if (tied_end != cut) {
            Ranked* const tied =
                std::partition(first, cut, [&](Ranked r) { return key_of(r) != last; });
            std::nth_element(tied, cut - 1, tied_end, BelowById{ids_});
        }
        end_ = cut;
    }

    std::size_t held() const { return static_cast<std::size_t>(end_ - rows_.get()); }

    std::size_t k_, full_;
    const std::int64_t* ids_;
    Key limit_ = kFarthest;
    std::unique_ptr<Ranked[]> rows_;
    Ranked* end_;
};

}  // namespace bitgrove::graph
