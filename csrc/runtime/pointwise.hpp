// Steps that the plan itself makes or joins.
#pragma once
#include <vector>

#include "op.hpp"

namespace bitgrove::runtime {

// x * scale + bias per channel, and then plus another value if there is one.
class Affine : public Step {
  public:
    Affine(const Value& in, Floats scale, Floats bias);
    bool moves() const override { return true; }
    void apply(const Kernels& kernels, std::span<const View> others, Tile& tile) const override;

  private:
    std::vector<float> scale_, bias_;
};

bool is_add(const Step& step);

}  // namespace bitgrove::runtime
