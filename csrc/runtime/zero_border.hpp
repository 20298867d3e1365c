// A border of zeros around bits, which have no zero: what the -1 stored there contributed, taken
// back.
#pragma once
#include <vector>

#include "op.hpp"

namespace bitgrove::runtime {

class ZeroBorder {
  public:
    ZeroBorder() = default;
    // sums[tap][out]: the sum of the signs of each filter at each tap.
    ZeroBorder(const Window& window, const Shape& in, const Shape& out,
               const std::vector<std::int32_t>& sums);

    // Adds to a tile of dots, outputs `first` and on, what its taps outside the input took away.
    void correct(const Tile& tile, std::size_t first, std::size_t outs, float* dots) const;

  private:
    // Taps of the window over output `o` that lie inside the input along an axis.
    Range taps_inside(std::size_t o, int axis) const;

    Window window_;
    Shape in_{};
    std::size_t outs_ = 0;
    // sums over all taps before (d, h, w), for every output: float32[kd+1][kh+1][kw+1][out]
    std::vector<float> before_;
};

}  // namespace bitgrove::runtime
