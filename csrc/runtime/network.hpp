// A packed network: operators in order, the plan of how they run, and the loop over images.
#pragma once
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "aligned.hpp"
#include "op.hpp"
#include "plan.hpp"

namespace bitgrove::runtime {

// One pass over an image or a part of it, and what it cost.
struct StageProfile {
    std::vector<std::size_t> operators;  // their numbers, in the order of add()
    double seconds;                      // the shortest of the repetitions
    Work work;
    std::size_t bytes;  // read and written, weights included, each once
};

class Network {
  public:
    // Value 0 is the input, float32[c][d][h][w] outside. Throws for sizes past the limits below.
    explicit Network(const Shape& input);
    ~Network();
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    // The value that operator number i computes is number i + 1.
    const Value& value(std::size_t number) const;
    std::size_t add(OpPtr op, std::vector<std::size_t> inputs);

    // Ends the building: fixes which values leave the network and the instruction set that it uses,
    // fuses operators into stages, and lays out weights and memory.
    void finish(std::vector<std::size_t> outputs);

    // x: n images, float32[n][c][d][h][w]. outs[i]: float32[n][c][d][h][w] of the i-th output; bits
    // come out as +1 and -1. Threads share the images, or the rows and channels of one image; no
    // result depends on how many there are. Safe to call from several threads at once.
    void run(const float* x, std::size_t n, std::span<float* const> outs,
             std::size_t threads) const;

    // Times every stage on one image.
    std::vector<StageProfile> profile(const float* x, std::size_t repeats,
                                      std::size_t threads) const;

    const std::vector<std::size_t>& outputs() const { return outputs_; }
    std::size_t arena_bytes() const;
    const char* level() const;

    static constexpr std::size_t max_side = 1 << 16;
    static constexpr std::size_t max_channels = 1 << 24;
    static constexpr std::size_t max_arena_bytes = std::size_t{4} << 30;

  private:
    struct Step {
        OpPtr op;
        std::vector<std::size_t> inputs;
    };
    struct Workspace;
    using WorkspacePtr = std::unique_ptr<Workspace>;

    void check(const Value& value) const;
    void check(const Layout& layout) const;
    void require_finished() const;
    WorkspacePtr borrow(std::size_t workers) const;
    void give_back(WorkspacePtr workspace) const;
    // One image by all workers of the space, of which this is one. is_timed: the same for all;
    // seconds: of one of them, a number for each stage, lowered to what it took; null for the
    // others.
    void run_image(Workspace& space, std::size_t worker, bool is_timed, double* seconds) const;
    void begin_image(Workspace& space, const float* x) const;
    void copy_outputs(const Workspace& space, std::size_t image,
                      std::span<float* const> outs) const;

    std::vector<Value> values_;
    std::vector<Step> steps_;
    std::vector<std::size_t> outputs_;
    const Kernels* kernels_ = nullptr;
    std::unique_ptr<Plan> plan_;
    std::size_t scratch_bytes_ = 0;  // of one worker

    mutable std::mutex guard_;
    mutable std::vector<WorkspacePtr> free_;  // kept for the next run
};

}  // namespace bitgrove::runtime
