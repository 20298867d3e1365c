// A packed model in memory: the network that a .grove file describes, its labels and preprocessing.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../runtime/sides.hpp"
#include "preprocessing.hpp"

namespace bitgrove::model {

constexpr int oldest_version = 2, newest_version = 4;  // of the format

class Model {
  public:
    // `file` is the whole file, as src/bitgrove/runtime/FORMAT.md specifies it; it may be given
    // back afterwards. Throws an exception whose text says what is wrong.
    explicit Model(std::span<const std::byte> file);

    // Of one image: channels, then sides.
    const runtime::Sides& input() const { return input_; }
    std::size_t input_values() const { return network_->value(0).shape.size(); }
    std::size_t logits() const { return network_->value(logits_).shape.size(); }
    std::size_t embedding() const { return network_->value(embedding_).shape.size(); }

    const std::vector<std::string>& labels() const { return labels_; }
    const std::optional<Preprocessing>& preprocessing() const { return preprocessing_; }
    std::size_t run_bytes() const { return network_->arena_bytes(); }

    // x: n images; logits and embeddings: n rows, or null. Safe to call from several threads.
    void run(const float* x, std::size_t n, float* logits, float* embeddings,
             std::size_t threads) const;

  private:
    std::unique_ptr<runtime::SidedNetwork> network_;
    runtime::Sides input_;
    std::size_t logits_, embedding_;
    std::vector<std::string> labels_;
    std::optional<Preprocessing> preprocessing_;
};

}  // namespace bitgrove::model
