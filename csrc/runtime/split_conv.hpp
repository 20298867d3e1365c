// A real convolution of pictures whose numbers are split into parts and multiplied as matrices.
#pragma once
#include <vector>

#include "aligned.hpp"
#include "op.hpp"

namespace bitgrove::runtime {

class SplitConv {
  public:
    // The same on every CPU: what reads the image as it came must not depend on this one's.
    static bool serves(const Window& window, const Shape& in, const Shape& out);

    // weight: float32[out][kh][kw][c]; bias: one for each output, or empty.
    SplitConv(const SplitDotsKernels& dots, const Layout& in, const Window& window,
              const Shape& out, const std::vector<float>& weight, std::vector<float> bias);

    void run(const Call& call, const Part& part, Sink& sink) const;
    std::size_t scratch_bytes() const;
    std::size_t weight_bytes() const { return weight_bytes_; }

  private:
    void multiply(const void* const* x, const Tile& tile, std::size_t rows) const;

    const SplitDotsKernels* dots_;
    Window window_;
    Shape out_;
    std::size_t pixel_stride_, length_;  // in numbers, of the input
    std::vector<float> bias_;
    std::size_t split_bytes_;  // of one row of the input, for all pixels of a row of the result
    std::size_t rows_at_once_, rows_in_room_;
    std::size_t block_bytes_, weight_bytes_;
    Aligned packed_;
};

}  // namespace bitgrove::runtime
