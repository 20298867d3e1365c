#include "fern_rows.hpp"

#include <string>

#include "value.hpp"

namespace bitgrove::runtime {
namespace {

// From so many rows on, turning a block of them pays.
constexpr std::size_t few_rows = 6;

std::vector<std::uint32_t> columns_of(const char* name, std::span<const std::int32_t> numbers,
                                      std::size_t features) {
    for (const std::int32_t number : numbers) {
        require(number >= 0 && static_cast<std::size_t>(number) < features,
                std::string(name) + " must be columns 0 to " + std::to_string(features - 1) +
                    ", got " + std::to_string(number));
    }
    return {numbers.begin(), numbers.end()};
}

}  // namespace

template <typename T>
FernQuestions<T>::FernQuestions(std::size_t features, std::size_t depth,
                                std::span<const std::int32_t> first,
                                std::span<const std::int32_t> second, std::span<const T> threshold)
    : features_(features), depth_(depth) {
    require(depth >= 1 && depth <= kMaxFernDepth,
            "depth must be 1 to 16, got " + std::to_string(depth));
    require(features >= 1 && !first.empty() && first.size() % depth == 0,
            "feature must hold at least one fern of questions");
    require(second.empty() || second.size() == first.size(),
            "other must have the shape of feature");
    require(threshold.empty() || threshold.size() == first.size(),
            "threshold must have the shape of feature");
    require(second.empty() || threshold.empty(),
            "a question compares with a threshold or with another column, not both");
    first_ = columns_of("feature", first, features);
    second_ = columns_of("other", second, features);
    threshold_.assign(threshold.begin(), threshold.end());
    if (second.empty() && threshold.empty()) threshold_.assign(first.size(), T{0});
    for (const auto* columns : {&first_, &second_}) {
        for (const std::uint32_t column : *columns) groups_.push_back(column / kFernGroup);
    }
    std::ranges::sort(groups_);
    groups_.erase(std::unique(groups_.begin(), groups_.end()), groups_.end());
    const auto turned = [&](const std::vector<std::uint32_t>& columns) {
        std::vector<std::uint32_t> places;
        for (const std::uint32_t column : columns) {
            const auto group = std::ranges::lower_bound(groups_, column / kFernGroup);
            places.push_back(static_cast<std::uint32_t>(
                static_cast<std::size_t>(group - groups_.begin()) * kFernGroup +
                column % kFernGroup));
        }
        return places;
    };
    turned_first_ = turned(first_);
    turned_second_ = turned(second_);
}

template <typename T>
void FernQuestions<T>::one(const T* row, std::uint16_t* out, std::size_t out_stride) const {
    for (std::size_t f = 0; f < ferns(); ++f) {
        unsigned leaf = 0;
        for (std::size_t k = 0; k < depth_; ++k) {
            const std::size_t at = f * depth_ + k;
            const T other = second_.empty() ? threshold_[at] : row[second_[at]];
            leaf |= static_cast<unsigned>(row[first_[at]] > other) << k;
        }
        out[f * out_stride] = static_cast<std::uint16_t>(leaf);
    }
}

template <typename T>
void FernQuestions<T>::leaves(const FernKernels& kernels, const T* rows, std::size_t stride,
                              std::size_t n, std::byte* scratch, std::uint16_t* out,
                              std::size_t out_stride) const {
    auto* turned = reinterpret_cast<T*>(scratch);
    void (*turn)(const FernColumns<T>&);
    void (*ask)(const FernTests<T>&);
    if constexpr (std::is_same_v<T, float>) {
        turn = kernels.columns_f32;
        ask = kernels.tests_f32;
    } else {
        turn = kernels.columns_u8;
        ask = kernels.tests_u8;
    }
    for (std::size_t r = 0; r < n; r += kFernRows) {
        const std::size_t count = std::min(kFernRows, n - r);
        const T* block = rows + r * stride;
        if (count < few_rows) {
            for (std::size_t i = 0; i < count; ++i)
                one(block + i * stride, out + r + i, out_stride);
            continue;
        }
        turn({block, stride, count, features_, groups_.data(), groups_.size(), turned});
        ask({turned, ferns(), depth_, turned_first_.data(),
             second_.empty() ? nullptr : turned_second_.data(), threshold_.data(), out + r,
             out_stride});
    }
}

template class FernQuestions<std::uint8_t>;
template class FernQuestions<float>;

}  // namespace bitgrove::runtime
