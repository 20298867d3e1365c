// Operators that the plan itself inserts.
#pragma once
#include "op.hpp"

namespace bitgrove::runtime {

// A stored value as tiles, for steps that follow nothing else.
class Load : public Producer {
  public:
    using Producer::Producer;
    void run(const Call& call, const Part& part, Sink& sink) const override;
    bool splits_channels() const override { return true; }
};

// Row y of a picture, float32[c][h][w], pixel after pixel.
void row_of_planes(const float* planes, const Shape& shape, std::size_t y, float* to);

// The image, float32[c][d][h][w] at the view's origin.
class LoadPlanes : public Producer {
  public:
    using Producer::Producer;
    void run(const Call& call, const Part& part, Sink& sink) const override;
};

// Bits once more, with a border of their own.
class CopyBits : public BitOp {
  public:
    using BitOp::BitOp;
    void run(const Call& call, const Part& part, const View& out) const override;
};

}  // namespace bitgrove::runtime
