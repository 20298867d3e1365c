// Pooling and depthwise convolution against loops, on memory that ends where they must stop.
#include "bitgrove/taps.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "../graph/random.hpp"
#include "check.hpp"

namespace {

using bitgrove::Taps;
using bitgrove::TapsKernels;
using bitgrove::graph::Random;

std::vector<const TapsKernels*> levels() {
    std::vector<const TapsKernels*> all{&bitgrove::taps::scalar};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        all.push_back(&bitgrove::taps::avx2);
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        all.push_back(&bitgrove::taps::avx512);
    }
#elif defined(__aarch64__)
    all.push_back(&bitgrove::taps::neon);
#endif
    return all;
}

using Floats = std::unique_ptr<float[]>;

// Numbers in [-1, 1) whose sums round, infinite here and there if `infinite`, with nothing after
// the last one.
Floats numbers(Random& random, std::size_t n, bool infinite = false) {
    Floats values(new float[n]);
    for (std::size_t i = 0; i < n; ++i) {
        values[i] = static_cast<float>(random.below(1 << 24)) / (1 << 23) - 1;
        if (infinite && random.below(50) == 0) {
            values[i] = std::copysign(std::numeric_limits<float>::infinity(), values[i]);
        }
    }
    return values;
}

struct Window {
    std::vector<std::ptrdiff_t> columns;  // of the taps, in pixels from the output's pixel
    std::ptrdiff_t step;                  // from one output to the next, in pixels
};

const Window kWindows[] = {
    {{0, 1, 2, 20, 21, 22, 40, 41, 42}, 2},  // pooling 3x3 by 2
    {{0, 1, 2, 20, 21, 22, 40, 41, 42}, 1},  // depthwise 3x3
    {{0, 1, 20, 21}, 2},                     // pooling 2x2
    {{0}, 1},
    {{5, 0, 3}, 1},
    {{0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
      17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33,
      34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48},
     49},  // a map of 7x7
};

constexpr float kUntouched = 12345.0f;

struct Case {
    Floats x, weight, bias;
    std::vector<std::ptrdiff_t> offsets;
    Taps job;  // without out
    std::size_t cells;
};

Case make(Random& random, const Window& window, std::size_t pixels, std::size_t channels,
          bool infinite) {
    const auto wide = static_cast<std::ptrdiff_t>(channels);
    Case made;
    std::ptrdiff_t last = 0;
    for (const std::ptrdiff_t column : window.columns) {
        made.offsets.push_back(column * wide);
        last = std::max(last, column);
    }
    last += static_cast<std::ptrdiff_t>(pixels - 1) * window.step;
    made.x = numbers(random, static_cast<std::size_t>(last + 1) * channels, infinite);
    made.weight = numbers(random, window.columns.size() * channels);
    made.bias = numbers(random, channels);
    const std::size_t out_stride = channels + random.below(3);
    made.cells = (pixels - 1) * out_stride + channels;
    made.job = {.x = made.x.get(),
                .pixel_stride = window.step * wide,
                .pixels = pixels,
                .offsets = made.offsets.data(),
                .count = made.offsets.size(),
                .weight = nullptr,
                .bias = nullptr,
                .channels = channels,
                .out = nullptr,
                .out_stride = out_stride};
    return made;
}

// Runs the kernel of every level and calls check(value, p, c) on each result.
template <typename Check>
void each(const Case& given, Taps job, void (*TapsKernels::*kernel)(const Taps&), Check check) {
    for (const TapsKernels* level : levels()) {
        Floats out(new float[given.cells]);
        for (std::size_t i = 0; i < given.cells; ++i) out[i] = kUntouched;
        job.out = out.get();
        (level->*kernel)(job);
        for (std::size_t i = 0; i < given.cells; ++i) {
            const std::size_t p = i / job.out_stride, c = i % job.out_stride;
            if (c < job.channels) {
                check(out[i], p, c);
            } else {
                CHECK(out[i] == kUntouched);
            }
        }
    }
}

float tap(const Taps& job, std::size_t p, std::size_t t, std::size_t c) {
    return job.x[static_cast<std::ptrdiff_t>(p) * job.pixel_stride + job.offsets[t] +
                 static_cast<std::ptrdiff_t>(c)];
}

void check_maximum(Random& random, const Window& window, std::size_t pixels, std::size_t channels) {
    const Case given = make(random, window, pixels, channels, true);
    each(given, given.job, &TapsKernels::maximum, [&](float value, std::size_t p, std::size_t c) {
        float most = tap(given.job, p, 0, c);
        for (std::size_t t = 1; t < given.job.count; ++t) {
            most = std::max(most, tap(given.job, p, t, c));
        }
        CHECK(value == most);
    });
}

void check_sum(Random& random, const Window& window, std::size_t pixels, std::size_t channels) {
    const Case given = make(random, window, pixels, channels, false);
    each(given, given.job, &TapsKernels::sum, [&](float value, std::size_t p, std::size_t c) {
        float sum = 0;
        for (std::size_t t = 0; t < given.job.count; ++t) sum += tap(given.job, p, t, c);
        CHECK(value == sum);
    });
}

void check_weighted(Random& random, const Window& window, std::size_t pixels,
                    std::size_t channels) {
    const Case given = make(random, window, pixels, channels, false);
    Taps job = given.job;
    job.weight = given.weight.get();
    job.bias = random.below(2) ? given.bias.get() : nullptr;
    each(given, job, &TapsKernels::weighted, [&](float value, std::size_t p, std::size_t c) {
        double sum = job.bias ? job.bias[c] : 0;
        for (std::size_t t = 0; t < job.count; ++t) {
            sum += static_cast<double>(tap(job, p, t, c)) *
                   static_cast<double>(job.weight[t * job.channels + c]);
        }
        CHECK(std::fabs(value - sum) <= 1e-6 * static_cast<double>(job.count + 2));
    });
}

void sweep(void (*check)(Random&, const Window&, std::size_t, std::size_t)) {
    Random random(1);
    for (const Window& window : kWindows) {
        for (std::size_t pixels = 1; pixels <= 17; ++pixels) {
            check(random, window, pixels, 1 + random.below(130));
        }
        for (std::size_t channels = 1; channels <= 130; ++channels) {
            check(random, window, 1 + random.below(6), channels);
        }
    }
    check(random, kWindows[5], 1, 512);
}

void the_maximum_is_that_of_the_definition() {
    sweep(check_maximum);
}

void the_sum_is_added_in_order_at_every_level() {
    sweep(check_sum);
}

void the_weighted_sum_is_that_of_the_definition() {
    sweep(check_weighted);
}

constexpr Test kTests[] = {
    {"taps: the maximum is that of the definition", the_maximum_is_that_of_the_definition},
    {"taps: the sum is added in order at every level", the_sum_is_added_in_order_at_every_level},
    {"taps: the weighted sum is that of the definition",
     the_weighted_sum_is_that_of_the_definition},
};

}  // namespace

std::span<const Test> taps_tests() {
    return kTests;
}
