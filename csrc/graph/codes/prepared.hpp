// What the exact indexes over codes share: something is made of the rows that are there, once they
// are asked for it, and made anew where rows are removed or many have come.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

#include "../index.hpp"

namespace bitgrove::graph {

// Rows that came after the making are compared one by one, until they are many. Without it, all
// rows are: every search is exact at any time.
class PreparedIndex : public FlatIndex {
  public:
    using FlatIndex::FlatIndex;

    void build(std::size_t threads, const Tick& tick);
    void add(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
             std::size_t threads, const Tick& tick) override;
    void remove(const std::int64_t* ids, std::size_t count, std::size_t threads) override;
    void update(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                std::size_t threads, const Tick& tick) override;

    virtual void search(const Queries& queries, const Tick& tick) const = 0;
    // `queries` needs no room for results.
    virtual RangeResult range(const Queries& queries, float radius, const Tick& tick) const = 0;
    // How many parts there are of what was made; 0: nothing was.
    virtual std::size_t parts() const = 0;

  protected:
    // All in a change. `make` replaces what there is, in a moment alone; it throws what the tick
    // throws, or for want of memory.
    virtual void make(std::size_t threads, const Tick& tick) = 0;
    virtual void drop() = 0;
    // Rows that it was made of, if it was.
    virtual std::optional<std::size_t> made_of() const = 0;

  private:
    void change(const std::int64_t* ids, std::size_t count, const std::uint8_t* rows,
                std::size_t threads);
    // Without memory it can wait: what was asked for is done.
    void make_if_possible(std::size_t threads);
};

}  // namespace bitgrove::graph
