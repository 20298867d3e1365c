// Real activations to bits.
#pragma once
#include <vector>

#include "op.hpp"

namespace bitgrove::runtime {

class Sign : public Packer {
  public:
    // flip: the words of a pixel, or empty.
    Sign(const Value& in, std::size_t groups, Floats threshold, std::vector<std::uint64_t> flip);

    void pack(const Kernels& kernels, const Tile& tile, const View& out) const override;

    Floats threshold() const { return threshold_; }
    const std::vector<std::uint64_t>& flip() const { return flip_; }

  private:
    std::size_t channels_;  // per group
    std::vector<float> threshold_;
    std::vector<std::uint64_t> flip_;
};

}  // namespace bitgrove::runtime
