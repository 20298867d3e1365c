// The largest sign under a window, of bits.
#pragma once
#include <vector>

#include "op.hpp"

namespace bitgrove::runtime {

class BitPool : public BitOp {
  public:
    // flip: the words of a pixel, or empty; applied to the result.
    BitPool(const Value& in, const Window& window, std::vector<std::uint64_t> flip);
    void run(const Call& call, const Part& part, const View& out) const override;

  private:
    Shape in_;
    Window window_;
    std::vector<std::uint64_t> flip_;
};

}  // namespace bitgrove::runtime
