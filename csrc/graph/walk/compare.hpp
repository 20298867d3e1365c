// A group of queries against blocks of rows: who is near enough.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "../key.hpp"
#include "../store/rows.hpp"

namespace bitgrove::graph {

class Compare {
  public:
    // Numbers that may be written past the rows found.
    static constexpr std::size_t kSlack = 8;

    // The fastest way for this format and so many queries. Keeps both, which must live on.
    static std::unique_ptr<Compare> of(const Rows& rows, const std::uint8_t* queries,
                                       std::size_t count);
    // One pair after the other.
    static std::unique_ptr<Compare> pairs(const Rows& rows, const std::uint8_t* queries,
                                          std::size_t count);
    virtual ~Compare() = default;

    // Rows that a call may compare.
    virtual std::size_t most_rows() const = 0;

    // Appends the rows among first .. first + count with a key of at most limits[q] where ends[q]
    // points, in any order, and moves it on.
    virtual void run(Row first, std::size_t count, const Key* limits, Ranked** ends) = 0;
};

}  // namespace bitgrove::graph
