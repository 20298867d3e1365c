#include "network.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>

#include "memory_plan.hpp"

namespace bitgrove::runtime {
namespace {

constexpr std::align_val_t alignment{64};

struct Free {
    void operator()(std::byte* p) const { ::operator delete[](p, alignment); }
};
using Arena = std::unique_ptr<std::byte[], Free>;

Arena allocate(std::size_t bytes) {
    return Arena(static_cast<std::byte*>(::operator new[](bytes, alignment)));
}

void to_pixels(const float* planes, const Shape& shape, float* out) {
    const std::size_t pixels = shape.pixels();
    for (std::size_t c = 0; c < shape.c; ++c) {
        for (std::size_t p = 0; p < pixels; ++p) out[p * shape.c + c] = planes[c * pixels + p];
    }
}

void to_planes(const Value& value, const std::byte* from, float* out) {
    const Shape& shape = value.shape;
    const std::size_t pixels = shape.pixels(), channels = shape.c / value.groups;
    const auto* reals = reinterpret_cast<const float*>(from);
    const auto* words = reinterpret_cast<const std::uint64_t*>(from);
    for (std::size_t p = 0; p < pixels; ++p) {
        for (std::size_t c = 0; c < shape.c; ++c) {
            float number;
            if (value.kind == Kind::real) {
                number = reals[p * shape.c + c];
            } else {
                const std::size_t inner = c % channels;
                const std::size_t word = p * value.words_per_pixel() +
                                         c / channels * value.words_per_group() + inner / 64;
                number = words[word] >> (inner % 64) & 1 ? 1.0f : -1.0f;
            }
            out[c * pixels + p] = number;
        }
    }
}

}  // namespace

Network::Network(const Shape& input) {
    values_.push_back({Kind::real, input});
    check(values_.front());
}

const Value& Network::value(std::size_t number) const {
    require(number < values_.size(), "there is no value " + std::to_string(number) + " yet");
    return values_[number];
}

std::size_t Network::add(OpPtr op, std::vector<std::size_t> inputs) {
    require(offsets_.empty(), "the network is finished");
    check(op->result);
    values_.push_back(op->result);
    steps_.push_back({std::move(op), std::move(inputs)});
    return values_.size() - 1;
}

void Network::check(const Value& value) const {
    const Shape& s = value.shape;
    require(s.d >= 1 && s.h >= 1 && s.w >= 1 && s.c >= 1, "a value must not be empty");
    require(s.d <= max_side && s.h <= max_side && s.w <= max_side && s.c <= max_channels,
            "a value of " + std::to_string(s.d) + " x " + std::to_string(s.h) + " x " +
                std::to_string(s.w) + " x " + std::to_string(s.c) + " is past the limits");
    // Three sides of at most 2^16 fit in 64 bits, and so do 2^30 pixels of at most 2^24 channels.
    constexpr std::size_t limit = max_arena_bytes / sizeof(float);
    require(s.pixels() <= limit && s.size() <= limit,
            "a value of " + std::to_string(s.pixels()) + " pixels with " + std::to_string(s.c) +
                " channels would need more than " + std::to_string(max_arena_bytes) + " bytes");
}

void Network::finish(std::vector<std::size_t> outputs) {
    require(offsets_.empty(), "the network is finished");
    for (std::size_t output : outputs) value(output);
    outputs_ = std::move(outputs);

    MemoryPlan plan;
    std::vector<std::size_t> last_use(values_.size(), 0);
    for (std::size_t i = 0; i < steps_.size(); ++i) {
        for (std::size_t input : steps_[i].inputs) last_use[input] = i;
    }
    for (std::size_t output : outputs_) last_use[output] = steps_.size();

    std::size_t scratch = 0;
    offsets_.push_back(plan.take(values_[0].bytes()));
    for (std::size_t i = 0; i < steps_.size(); ++i) {
        offsets_.push_back(plan.take(values_[i + 1].bytes()));
        scratch = std::max(scratch, steps_[i].op->scratch_bytes());
        for (std::size_t v = 0; v <= i + 1; ++v) {
            // A value that nobody reads dies with the step that made it.
            const std::size_t dies = std::max(last_use[v], v == 0 ? 0 : v - 1);
            if (dies == i) plan.give_back(offsets_[v]);
        }
    }
    scratch_offset_ = plan.peak();
    arena_bytes_ = scratch_offset_ + (scratch + 63) / 64 * 64;
    require(arena_bytes_ <= max_arena_bytes,
            "the network would need " + std::to_string(arena_bytes_) + " bytes to run");
}

void Network::run_one(const float* x, std::size_t image, std::span<float* const> outs,
                      std::byte* arena) const {
    const Kernels& kernels = active();
    const Shape& in = values_[0].shape;
    to_pixels(x + image * in.size(), in, reinterpret_cast<float*>(arena + offsets_[0]));
    std::vector<const void*> inputs;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
        const Step& step = steps_[i];
        inputs.clear();
        for (std::size_t input : step.inputs) inputs.push_back(arena + offsets_[input]);
        step.op->run({kernels, inputs, arena + offsets_[i + 1], arena + scratch_offset_});
    }
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
        const Value& value = values_[outputs_[i]];
        to_planes(value, arena + offsets_[outputs_[i]], outs[i] + image * value.shape.size());
    }
}

void Network::run(const float* x, std::size_t n, std::span<float* const> outs,
                  std::size_t threads) const {
    require(!offsets_.empty(), "the network is not finished");
    std::atomic<std::size_t> next{0};
    std::exception_ptr failure;
    std::mutex guard;
    auto work = [&] {
        try {
            const Arena arena = allocate(arena_bytes_);
            for (std::size_t i; (i = next.fetch_add(1)) < n;) run_one(x, i, outs, arena.get());
        } catch (...) {
            const std::lock_guard lock(guard);
            failure = std::current_exception();
        }
    };
    {
        std::vector<std::jthread> helpers;
        try {
            for (std::size_t t = 1; t < std::min(threads, n); ++t) helpers.emplace_back(work);
        } catch (const std::exception&) {
            // No more threads or memory to be had: those that started, and this one, do it all.
        }
        work();
    }
    if (failure) std::rethrow_exception(failure);
}

}  // namespace bitgrove::runtime
