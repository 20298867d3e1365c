// Random ferns on rows in memory: which columns are turned, and the loop over blocks of rows.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "../dispatch/table.hpp"

namespace bitgrove::runtime {

// The questions of all ferns about rows of T; throws std::invalid_argument for those that cannot
// be.
template <typename T>
class FernQuestions {
  public:
    // first: ferns * depth numbers of columns below `features`; second: as many, or empty, and then
    // each question compares with its threshold, 0 if there is none.
    FernQuestions(std::size_t features, std::size_t depth, std::span<const std::int32_t> first,
                  std::span<const std::int32_t> second, std::span<const T> threshold);

    std::size_t ferns() const { return first_.size() / depth_; }
    std::size_t depth() const { return depth_; }
    // Bytes that leaves() needs beside its arguments, for any number of rows.
    std::size_t scratch_bytes() const {
        return groups_.size() * kFernGroup * kFernRows * sizeof(T);
    }

    // out[f * out_stride + r] = the leaf of fern f for row r < n. out has room for n rounded up to
    // whole blocks in each fern; scratch is 64-byte aligned.
    void leaves(const FernKernels& kernels, const T* rows, std::size_t stride, std::size_t n,
                std::byte* scratch, std::uint16_t* out, std::size_t out_stride) const;

  private:
    void one(const T* row, std::uint16_t* out, std::size_t out_stride) const;

    std::size_t features_, depth_;
    std::vector<std::uint32_t> first_, second_;                // columns
    std::vector<T> threshold_;                                 // one for each, or none
    std::vector<std::uint32_t> groups_;                        // of columns that anything asks for
    std::vector<std::uint32_t> turned_first_, turned_second_;  // places among the turned columns
};

extern template class FernQuestions<std::uint8_t>;
extern template class FernQuestions<float>;

// Rows of a call of votes, so that the tables of some ferns serve many rows while they are near.
constexpr std::size_t fern_call_rows = 1024;

constexpr std::size_t whole_blocks(std::size_t rows) {
    return (rows + kFernRows - 1) / kFernRows * kFernRows;
}

inline void add_votes(const FernKernels& kernels, const FernVotes<float, float>& votes) {
    kernels.votes_f32(votes);
}

inline void add_votes(const FernKernels& kernels,
                      const FernVotes<std::int8_t, std::int32_t>& votes) {
    kernels.votes_i8(votes);
}

// The sums of a table of float or of int8, which are added up in int32.
template <typename Leaf>
using FernSum = std::conditional_t<std::is_same_v<Leaf, float>, float, std::int32_t>;

}  // namespace bitgrove::runtime
