// A packed network: operators in order, a plan of its memory, and the loop over images.
#pragma once
#include <span>
#include <vector>

#include "op.hpp"

namespace bitgrove::runtime {

class Network {
  public:
    // Value 0 is the input, float32[c][d][h][w] outside. Throws for sizes past the limits below.
    explicit Network(const Shape& input);
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    // The value that operator number i computes is number i + 1.
    const Value& value(std::size_t number) const;
    std::size_t add(OpPtr op, std::vector<std::size_t> inputs);

    // Ends the building: fixes which values leave the network and lays out the memory.
    void finish(std::vector<std::size_t> outputs);

    // x: n images, float32[n][c][d][h][w]. outs[i]: float32[n][c][d][h][w] of the i-th output; bits
    // come out as +1 and -1. Every thread takes whole images, so results do not depend on
    // `threads`. Safe to call from several threads at once.
    void run(const float* x, std::size_t n, std::span<float* const> outs,
             std::size_t threads) const;

    const std::vector<std::size_t>& outputs() const { return outputs_; }
    std::size_t arena_bytes() const { return arena_bytes_; }

    static constexpr std::size_t max_side = 1 << 16;
    static constexpr std::size_t max_channels = 1 << 24;
    static constexpr std::size_t max_arena_bytes = std::size_t{4} << 30;

  private:
    struct Step {
        OpPtr op;
        std::vector<std::size_t> inputs;
    };

    void check(const Value& value) const;
    void run_one(const float* x, std::size_t image, std::span<float* const> outs,
                 std::byte* arena) const;

    std::vector<Value> values_;
    std::vector<Step> steps_;
    std::vector<std::size_t> outputs_;
    std::vector<std::size_t> offsets_;  // of each value in the arena
    std::size_t scratch_offset_ = 0;
    std::size_t arena_bytes_ = 0;
};

}  // namespace bitgrove::runtime
