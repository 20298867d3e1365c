// The k nearest rows seen, ordered by (distance, id).
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../key.hpp"

namespace bitgrove::graph {

class TopK {
  public:
    struct Item {
        Key key;
        std::int64_t id;
        bool operator<(const Item& o) const { return key != o.key ? key < o.key : id < o.id; }
    };

    // Forgets everything. k must be at least 1.
    void reset(std::size_t k) {
        k_ = k;
        items_.clear();
    }

    // Returns whether the row is, for now, among the k nearest. Offer each id once.
    bool offer(Key key, std::int64_t id) {
        const Item item{key, id};
        if (items_.size() < k_) {
            items_.push_back(item);
            std::push_heap(items_.begin(), items_.end());
            return true;
        }
        if (!(item < items_.front())) return false;
        std::pop_heap(items_.begin(), items_.end());
        items_.back() = item;
        std::push_heap(items_.begin(), items_.end());
        return true;
    }

    std::size_t size() const { return items_.size(); }
    // Whether nothing at this distance or beyond can be among the nearest, whatever its id.
    bool closed_to(Key key) const { return items_.size() == k_ && key > items_.front().key; }

    // Nearest first; ends the use until the next reset.
    const std::vector<Item>& sorted() {
        std::sort_heap(items_.begin(), items_.end());
        return items_;
    }

  private:
    std::size_t k_ = 1;
    std::vector<Item> items_;  // a heap, the farthest at the front
};

}  // namespace bitgrove::graph
