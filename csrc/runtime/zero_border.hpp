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
    // room: `outs` numbers.
    void correct(const Kernels& kernels, const Tile& tile, std::size_t first, std::size_t outs,
                 float* dots, float* room) const;

  private:
    using Box = std::array<Range, 3>;  // of taps

    // Taps of the window over output `o` that lie inside the input along an axis.
    Range taps_inside(std::size_t o, int axis) const;
    bool is_whole(const Range& taps, int axis) const;
    // What all taps but those of the box took away, of outputs `first` and on.
    void outside(const Box& box, std::size_t first, std::size_t outs, float* to) const;
    void list_kinds(const Shape& out);

    Window window_;
    Shape in_{};
    std::size_t outs_ = 0;
    // Sums over all taps before (d, h, w), for every output: float32[kd+1][kh+1][kw+1][out].
    std::vector<float> before_;
    // The few kinds of pixels there are, by which of their taps lie outside: along each axis the
    // kind of every output, and the corrections of all kinds, unless they are too many.
    std::array<std::vector<std::uint32_t>, 3> kind_;
    std::array<std::size_t, 3> kinds_{};
    std::vector<float> corrections_;
};

}  // namespace bitgrove::runtime
