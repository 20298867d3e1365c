#include <bit>
#include <limits>

#include "forest_layout.hpp"

namespace bitgrove::runtime {

std::optional<StepLayout> StepLayout::of(const Trees& trees) {
    StepLayout made;
    std::int32_t last = 0;
    for (std::int32_t f : trees.feature) last = std::max(last, f);
    made.feature_bits_ = static_cast<unsigned>(std::bit_width(static_cast<std::uint32_t>(last)));
    const std::size_t room = std::size_t{1} << (32 - std::max(1u, made.feature_bits_));
    bool any_missing = false;
    for (std::uint8_t m : trees.missing) any_missing |= m != 0;
    for (std::int32_t root : trees.root) {
        // Breadth first: a step's place is its place in the queue.
        std::vector<std::pair<std::int32_t, std::uint32_t>> queue{{root, 0}};
        std::uint32_t least = std::numeric_limits<std::uint32_t>::max();
        made.first_.push_back(static_cast<std::uint32_t>(made.steps_.size()));
        for (std::size_t place = 0; place < queue.size(); ++place) {
            const auto [at, depth] = queue[place];
            if (queue.size() + 2 > room || made.steps_.size() >> 30) return {};
            if (at < 0) {
                least = std::min(least, depth);
                made.steps_.push_back({std::numeric_limits<float>::infinity(),
                                       static_cast<std::uint32_t>(place) << made.feature_bits_});
                made.leaf_.push_back(~at);
                if (any_missing) made.missing_.push_back(0);
                continue;
            }
            const auto node = static_cast<std::size_t>(at);
            const auto left = static_cast<std::uint32_t>(queue.size());
            made.steps_.push_back(
                {trees.threshold[node],
                 left << made.feature_bits_ | static_cast<std::uint32_t>(trees.feature[node])});
            made.leaf_.push_back(0);
            if (any_missing) made.missing_.push_back(trees.missing[node]);
            for (std::size_t side : {0, 1}) {
                queue.emplace_back(trees.children[2 * node + side], depth + 1);
            }
        }
        made.least_depth_.push_back(least);
    }
    return made;
}

ForestSteps StepLayout::view() const {
    return {steps_.data(), leaf_.data(),        missing_.empty() ? nullptr : missing_.data(),
            first_.data(), least_depth_.data(), first_.size(),
            feature_bits_};
}

std::size_t StepLayout::bytes() const {
    return steps_.size() * (sizeof(TreeStep) + sizeof(std::int32_t)) + missing_.size() +
           first_.size() * 8;
}

}  // namespace bitgrove::runtime
