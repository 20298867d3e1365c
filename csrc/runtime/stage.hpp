// A stage: one producer, the steps on its tiles, and what is stored of them; in one pass.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "op.hpp"

namespace bitgrove::runtime {

// One thing that happens to a tile, in order.
struct Action {
    enum class Kind { step, store, pack };
    Kind kind;
    const Op* op = nullptr;           // of a step or a packer
    std::vector<std::size_t> others;  // values that a step reads beside the tile
    std::size_t value = 0;            // where to store or pack
};

struct Stage {
    // Exactly one of them.
    const Producer* producer = nullptr;
    const BitOp* bit_op = nullptr;

    std::vector<std::size_t> inputs;  // values
    std::vector<Action> actions;
    std::size_t bits_out = 0;        // the value of a BitOp
    std::vector<std::size_t> nodes;  // operators of the file that are part of it, by number

    // The result takes the place of a value that is added to it: tiles are made elsewhere.
    bool in_place = false;

    // A stage whose rows this one's producer reads while they are made; its result is kept in a
    // ring of rows only.
    std::unique_ptr<Stage> source;
    std::size_t ring_rows = 0;

    const Shape& shape() const { return bit_op ? bit_op->result.shape : producer->result.shape; }
    std::size_t rows() const { return shape().d * shape().h; }
    bool splits_channels() const;

    // Bytes that one worker needs, this stage's source included.
    std::size_t scratch_bytes() const;
    std::size_t tile_bytes() const;
    // The value that the tiles are at the end, if it is stored, or 0.
    std::size_t direct_value() const;

    Work work() const;
    // Of values and weights, each once.
    std::size_t bytes_moved(std::span<const Layout> layouts) const;

    // views: of all values. Several workers may run parts of one stage at once.
    void run(const Kernels& kernels, std::span<const View> views, const Part& part,
             std::byte* scratch) const;

  private:
    std::size_t ring_bytes() const;
    void stream(const Kernels& kernels, std::span<const View> views, const Part& part,
                std::byte* scratch) const;
    // from: the ring to read instead of the first input; to: the ring to write. Either may be null.
    void produce(const Kernels& kernels, std::span<const View> views, const Part& part,
                 std::byte* scratch, const View* from, const View* to) const;
};

}  // namespace bitgrove::runtime
