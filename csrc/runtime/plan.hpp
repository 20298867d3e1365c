// From operators in the order of the file to stages that run one after the other.
#pragma once
#include <map>
#include <vector>

#include "stage.hpp"

namespace bitgrove::runtime {

struct Node {
    Op* op;
    std::vector<std::size_t> inputs;
    std::size_t value;
    std::size_t number;  // of the operator in the file
};

class Plan {
  public:
    // nodes: in order; their values count up from 1. Value 0 is the image.
    Plan(const Value& input, std::vector<Node> nodes, const std::vector<std::size_t>& outputs);

    // Lays out the weights for a level.
    void prepare(const Kernels& kernels);

    std::vector<Stage> stages;
    std::vector<Layout> layouts;       // of every value
    std::vector<std::size_t> offsets;  // in the arena
    std::vector<bool> stored;          // whether a value has a place at all
    std::size_t arena_bytes = 0;

  private:
    void drop_unused(const std::vector<std::size_t>& outputs);
    void pool_bits();
    void ask_ferns();
    void give_borders();
    void make_stages();
    void stream_rows();
    void let_steps_move();
    void lay_out(const std::vector<std::size_t>& outputs);
    template <typename F>
    std::size_t replaced(const Stage& stage, F dies_here) const;
    std::size_t new_value(const Value& value);
    template <typename T, typename... Args>
    T* own(Args&&... args);
    std::vector<std::size_t> readers(std::size_t value) const;

    std::vector<Node> nodes_;
    std::vector<bool> is_output_;
    std::vector<OpPtr> owned_;  // operators that the plan made
};

}  // namespace bitgrove::runtime
