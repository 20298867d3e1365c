// A binary convolution whose bits are widened to bytes and multiplied as matrices.
#pragma once
#include <vector>

#include "aligned.hpp"
#include "op.hpp"

namespace bitgrove::runtime {

class SignConv {
  public:
    // Whether the bytes that one row of the result reads stay in second-level cache: those between
    // the rows of a dilated kernel are widened too, eight times as many as the bits were.
    static bool serves(const Layout& in, const Window& window);

    // weight: [out][taps][words per pixel], padding bits zero; one group.
    SignConv(const SignDotsKernels& dots, const Layout& in, const Window& window, int pad_value,
             const Shape& out, const std::vector<std::uint64_t>& weight);

    void run(const Call& call, const Part& part, Sink& sink) const;
    std::size_t scratch_bytes() const { return input_bytes_ + room_bytes_; }
    std::size_t weight_bytes() const { return weight_bytes_; }

  private:
    // Rows of the result at a time, so that the bytes they read stay in second-level cache.
    std::size_t rows_at_once() const;
    void widen(const View& in, std::size_t z, std::size_t first, std::size_t rows,
               std::int8_t* to) const;

    void multiply(const std::int8_t* x, const Tile& tile, std::size_t rows) const;

    const SignDotsKernels* dots_;
    Layout in_;
    Window window_;
    Shape out_;
    bool zeros_;                           // the border is 0
    std::size_t pixel_bytes_, row_bytes_;  // of the widened input, its border included
    std::vector<Run> runs_;
    std::size_t words_, block_bytes_, weight_bytes_;
    std::size_t input_bytes_, rows_in_room_, room_bytes_;
    std::vector<std::int8_t> zero_pixel_;
    Aligned packed_;
};

}  // namespace bitgrove::runtime
