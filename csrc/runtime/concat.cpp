// Values side by side along the channels.
#include <algorithm>

#include "op.hpp"

namespace bitgrove::runtime {
namespace {

class Concat : public Op {
  public:
    Concat(Value result, std::vector<std::size_t> channels)
        : Op(result), channels_(std::move(channels)) {}

    void run(const Call& call) const override {
        float* out = call.real_out();
        for (std::size_t p = 0; p < result.shape.pixels(); ++p) {
            for (std::size_t i = 0; i < channels_.size(); ++i) {
                const float* from = static_cast<const float*>(call.in[i]) + p * channels_[i];
                out = std::copy_n(from, channels_[i], out);
            }
        }
    }

  private:
    std::vector<std::size_t> channels_;  // of each input
};

}  // namespace

OpPtr make_concat(std::span<const Value> inputs) {
    require(!inputs.empty(), "at least one input is needed");
    Shape out = inputs.front().shape;
    out.c = 0;
    std::vector<std::size_t> channels;
    for (const Value& in : inputs) {
        require_real(in);
        const Shape& s = in.shape;
        require(s.d == out.d && s.h == out.h && s.w == out.w,
                "all inputs must have the same sides");
        channels.push_back(s.c);
        out.c += s.c;
    }
    return std::make_unique<Concat>(Value{Kind::real, out}, std::move(channels));
}

}  // namespace bitgrove::runtime
