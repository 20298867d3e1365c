// A forest in the layouts that suit it and the CPU, and what one run of it does.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "../dispatch/table.hpp"
#include "forest_layout.hpp"

namespace bitgrove::runtime {

class Forest {
  public:
    // Checks the trees; throws std::invalid_argument with the reason.
    Forest(const Trees& trees, std::size_t channels, const Kernels& kernels);

    // Adds up the leaves of rows of `channels` floats, `stride` from one to the next, below 2^25.
    // room: room_bytes(), 64-byte aligned.
    void run(const float* x, std::size_t stride, std::size_t rows, float* out,
             std::size_t out_stride, std::byte* room) const;

    std::size_t room_bytes() const;
    std::size_t outs() const { return outs_; }
    std::size_t bytes() const;
    // "steps", "words", "bytes" or "nodes".
    const char* layout() const;

  private:
    // As they came, for trees that fit no other layout.
    struct Nodes {
        std::vector<std::int32_t> feature, children, root;
        std::vector<float> threshold;
        std::vector<std::uint8_t> missing;
    };

    std::size_t padded_outs() const { return outs_ == 1 ? 1 : (outs_ + 15) / 16 * 16; }
    std::size_t rows_at_once() const;
    void add(const ForestRows& rows, std::byte* room) const;
    void add_nodes(const ForestRows& rows) const;

    const ForestKernels& kernels_;
    std::size_t outs_;
    bool missing_ = false;  // whether any node sends NaN right
    std::vector<float> leaf_, bias_;
    std::optional<StepLayout> steps_;
    std::optional<RankLayout> ranks_;
    std::optional<BlockLayout<std::uint8_t>> bytes_;
    std::optional<BlockLayout<std::uint16_t>> words_;
    Nodes nodes_;
};

}  // namespace bitgrove::runtime
