// Pools over windows of real values.
#pragma once
#include "op.hpp"

namespace bitgrove::runtime {

class Windowed : public Producer {
  public:
    Windowed(const Value& in, const Window& window);
    std::size_t scratch_bytes() const override;
    bool splits_channels() const override { return true; }
    std::size_t window_rows() const override;
    Range rows_read(std::size_t y) const override;
    bool makes_single_rows() const override { return true; }

    const Window& window() const { return window_; }

  protected:
    Shape in_;
    Window window_;
};

class MaxPool : public Windowed {
  public:
    using Windowed::Windowed;
    void run(const Call& call, const Part& part, Sink& sink) const override;
};

}  // namespace bitgrove::runtime
