// What is done to each number, against the definition bit for bit, on memory that ends there.
#include "bitgrove/pointwise.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "../graph/random.hpp"
#include "check.hpp"

namespace {

using bitgrove::PointwiseKernels;
using bitgrove::Rows;
using bitgrove::graph::Random;

std::vector<const PointwiseKernels*> levels() {
    std::vector<const PointwiseKernels*> all{&bitgrove::pointwise::scalar};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        all.push_back(&bitgrove::pointwise::avx2);
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        all.push_back(&bitgrove::pointwise::avx512);
    }
#elif defined(__aarch64__)
    all.push_back(&bitgrove::pointwise::neon);
#endif
    return all;
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kUntouched = 12345.0f;

using Floats = std::unique_ptr<float[]>;

// Numbers in [-3, 3), some of them special, with nothing allocated after the last one.
Floats numbers(Random& random, std::size_t n) {
    const float special[] = {0.0f, -0.0f, 1.0f, -1.0f, kInfinity, -kInfinity};
    Floats values(new float[n]);
    for (std::size_t i = 0; i < n; ++i) {
        const auto draw = random.below(6 << 16);
        values[i] =
            draw % 16 == 0 ? special[draw / 16 % 6] : static_cast<float>(draw) / (1 << 16) - 3;
    }
    return values;
}

bool same(float x, float y) {
    return std::memcmp(&x, &y, sizeof x) == 0 || (std::isnan(x) && std::isnan(y));
}

// A tile, another of the same size, and vectors of one number per channel.
struct Case {
    std::size_t pixels, channels, stride, other_stride;
    Floats data, other, a, b, c;

    std::size_t cells() const { return (pixels - 1) * stride + channels; }
    float at(std::size_t p, std::size_t q) const { return data[p * stride + q]; }
    float beside(std::size_t p, std::size_t q) const { return other[p * other_stride + q]; }
};

Case make(Random& random, std::size_t pixels, std::size_t channels) {
    Case made{pixels, channels, channels + random.below(3), channels + random.below(3), {}, {}, {},
              {},     {}};
    made.data = numbers(random, made.cells());
    for (std::size_t i = 0; i < made.cells(); ++i) {
        if (i % made.stride >= channels) made.data[i] = kUntouched;
    }
    made.other = numbers(random, (pixels - 1) * made.other_stride + channels);
    made.a = numbers(random, channels);
    made.b = numbers(random, channels);
    made.c = numbers(random, channels);
    return made;
}

// What every level makes of a tile is what expected(p, q) says, bit for bit, in place or elsewhere.
template <typename Step, typename Expected>
void agree(const Case& given, Step step, Expected expected) {
    for (const PointwiseKernels* level : levels()) {
        for (const std::size_t gap : {0, 2}) {
            const std::size_t to_stride = given.channels + gap;
            const std::size_t cells = (given.pixels - 1) * to_stride + given.channels;
            Floats data(new float[given.cells()]), to(new float[cells]);
            std::memcpy(data.get(), given.data.get(), given.cells() * sizeof(float));
            std::fill_n(to.get(), cells, kUntouched);
            step(*level,
                 Rows{data.get(), given.stride, given.pixels, given.channels, to.get(), to_stride});
            CHECK(std::memcmp(data.get(), given.data.get(), given.cells() * sizeof(float)) == 0);
            for (std::size_t i = 0; i < cells; ++i) {
                const std::size_t p = i / to_stride, q = i % to_stride;
                CHECK(same(to[i], q < given.channels ? expected(p, q) : kUntouched));
            }
        }
        Floats data(new float[given.cells()]);
        std::memcpy(data.get(), given.data.get(), given.cells() * sizeof(float));
        step(*level, Rows{data.get(), given.stride, given.pixels, given.channels});
        for (std::size_t i = 0; i < given.cells(); ++i) {
            const std::size_t p = i / given.stride, q = i % given.stride;
            CHECK(same(data[i], q < given.channels ? expected(p, q) : kUntouched));
        }
    }
}

void sweep(void (*check)(const Case&)) {
    Random random(1);
    for (std::size_t pixels = 1; pixels <= 17; ++pixels) {
        check(make(random, pixels, 1 + random.below(130)));
    }
    for (std::size_t channels = 1; channels <= 130; ++channels) {
        check(make(random, 1 + random.below(6), channels));
    }
}

// Each product is stored before it is added to, so that the compiler cannot fuse them here either.
float affine_of(const Case& given, const float* scale, const float* bias, std::size_t p,
                std::size_t q) {
    const volatile float product = given.at(p, q) * (scale ? scale[q] : 1.0f);
    return product + (bias ? bias[q] : 0.0f);
}

void check_affine(const Case& given) {
    for (const float* scale : {given.a.get(), static_cast<float*>(nullptr)}) {
        for (const float* bias : {given.b.get(), static_cast<float*>(nullptr)}) {
            agree(
                given,
                [&](const auto& level, const Rows& rows) { level.affine(rows, scale, bias); },
                [&](auto p, auto q) { return affine_of(given, scale, bias, p, q); });
            agree(
                given,
                [&](const auto& level, const Rows& rows) {
                    level.affine_add(rows, scale, bias, given.other.get(), given.other_stride);
                },
                [&](auto p, auto q) {
                    return affine_of(given, scale, bias, p, q) + given.beside(p, q);
                });
        }
    }
}

void check_pairs(const Case& given) {
    agree(
        given,
        [&](const auto& level, const Rows& rows) {
            level.add(rows, given.other.get(), given.other_stride);
        },
        [&](auto p, auto q) { return given.at(p, q) + given.beside(p, q); });
    agree(
        given,
        [&](const auto& level, const Rows& rows) {
            level.multiply(rows, given.other.get(), given.other_stride);
        },
        [&](auto p, auto q) { return given.at(p, q) * given.beside(p, q); });
    agree(
        given,
        [&](const auto& level, const Rows& rows) {
            level.scale_pixels(rows, given.other.get(), given.other_stride);
        },
        [&](auto p, auto q) { return given.at(p, q) * given.beside(p, 0); });
}

void check_relu(const Case& given) {
    agree(
        given, [](const auto& level, const Rows& rows) { level.relu(rows); },
        [&](auto p, auto q) { return given.at(p, q) < 0 ? 0.0f : given.at(p, q); });
}

float clipped(float x, float low, float high, float slope) {
    if (low <= x && x <= high) return x;
    const float border = x > high ? high : low;
    if (slope == 0) return border;
    const volatile float rise = (x - border) * slope;
    return border + rise;
}

void check_clip(const Case& given) {
    const float borders[][2] = {
        {-1, 1}, {0, 6}, {0, kInfinity}, {-kInfinity, 0.5f}, {0, 0}, {-kInfinity, kInfinity}};
    for (const auto& [low, high] : borders) {
        for (const float slope : {0.0f, 0.01f, -0.25f, 1.0f}) {
            agree(
                given,
                [&](const auto& level, const Rows& rows) { level.clip(rows, low, high, slope); },
                [&](auto p, auto q) { return clipped(given.at(p, q), low, high, slope); });
        }
    }
}

void check_prelu(const Case& given) {
    const float* slope = given.a.get();
    for (const float* before : {given.b.get(), static_cast<float*>(nullptr)}) {
        for (const float* after : {given.c.get(), static_cast<float*>(nullptr)}) {
            agree(
                given,
                [&](const auto& level, const Rows& rows) {
                    level.prelu(rows, slope, before, after);
                },
                [&](auto p, auto q) {
                    const float y = given.at(p, q) + (before ? before[q] : 0.0f);
                    const volatile float bent = y >= 0 ? y : y * slope[q];
                    return bent + (after ? after[q] : 0.0f);
                });
        }
    }
}

void check_signs(const Case& given) {
    for (const float* threshold : {given.a.get(), static_cast<float*>(nullptr)}) {
        agree(
            given, [&](const auto& level, const Rows& rows) { level.signs(rows, threshold); },
            [&](auto p, auto q) {
                return given.at(p, q) >= (threshold ? threshold[q] : 0.0f) ? 1.0f : -1.0f;
            });
    }
}

void affine_steps_round_twice_at_every_level() {
    sweep(check_affine);
}

void steps_with_another_tile_are_those_of_the_definition() {
    sweep(check_pairs);
}

void relu_keeps_what_is_not_below_zero() {
    sweep(check_relu);
}

void clip_bends_at_the_borders_and_takes_infinities() {
    sweep(check_clip);
}

void prelu_is_that_of_the_definition() {
    sweep(check_prelu);
}

void signs_are_plus_one_from_the_threshold_on() {
    sweep(check_signs);
}

constexpr Test kTests[] = {
    {"pointwise: affine steps round twice at every level", affine_steps_round_twice_at_every_level},
    {"pointwise: steps with another tile are those of the definition",
     steps_with_another_tile_are_those_of_the_definition},
    {"pointwise: relu keeps what is not below zero", relu_keeps_what_is_not_below_zero},
    {"pointwise: clip bends at the borders and takes infinities",
     clip_bends_at_the_borders_and_takes_infinities},
    {"pointwise: prelu is that of the definition", prelu_is_that_of_the_definition},
    {"pointwise: signs are +1 from the threshold on", signs_are_plus_one_from_the_threshold_on},
};

}  // namespace

std::span<const Test> pointwise_tests() {
    return kTests;
}
