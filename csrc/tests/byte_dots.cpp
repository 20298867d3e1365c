// Convolution of bytes along a row against plain loops, on memory that ends where a level must
// stop, so that a sanitizer sees over-reads.
#include "bitgrove/byte_dots.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "../graph/random.hpp"
#include "check.hpp"

namespace {

using bitgrove::ByteDots;
using bitgrove::ByteDotsKernels;
using bitgrove::Run;
using bitgrove::graph::Random;

std::vector<const ByteDotsKernels*> levels() {
    std::vector<const ByteDotsKernels*> found{&bitgrove::byte_dots::scalar};
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        found.push_back(&bitgrove::byte_dots::avx2);
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        found.push_back(&bitgrove::byte_dots::avx512bw);
        if (__builtin_cpu_supports("avx512vnni")) found.push_back(&bitgrove::byte_dots::avx512);
    }
#elif defined(__aarch64__)
    found.push_back(&bitgrove::byte_dots::neon);
#endif
    return found;
}

struct Free {
    void operator()(void* p) const { std::free(p); }
};

using Bytes = std::unique_ptr<unsigned char[], Free>;

Bytes aligned(std::size_t bytes) {
    void* p = std::aligned_alloc(64, bytes);
    CHECK(p != nullptr);
    std::fill_n(static_cast<unsigned char*>(p), bytes, 0xee);  // pack writes all that run reads
    return Bytes(static_cast<unsigned char*>(p));
}

enum class Draw { kAny, kGreatest, kLeast };  // greatest: all 255 by all 127; least: by all -127

struct Case {
    std::vector<Run> runs;
    std::ptrdiff_t pixel_stride;
    std::size_t pixels, outs;
    std::size_t skip = 0;  // outputs that belong to blocks before the call
    Draw draw = Draw::kAny;
};

std::int64_t product(const std::uint8_t* x, const std::vector<Run>& runs,
                     const std::int8_t* filter) {
    std::int64_t sum = 0;
    for (const Run& run : runs) {
        for (std::size_t k = 0; k < run.length; ++k) {
            sum += std::int64_t{x[run.offset + static_cast<std::ptrdiff_t>(k)]} * *filter++;
        }
    }
    return sum;
}

void compare(Random& random, const Case& c) {
    // The bytes that some pixel reads, and not one more.
    std::ptrdiff_t low = 0, high = 0;
    bool any = false;
    for (std::size_t p = 0; p < c.pixels; ++p) {
        for (const Run& run : c.runs) {
            const auto at = static_cast<std::ptrdiff_t>(p) * c.pixel_stride + run.offset;
            low = any ? std::min(low, at) : at;
            high = std::max(any ? high : at, at + static_cast<std::ptrdiff_t>(run.length));
            any = true;
        }
    }
    std::size_t size = 0;
    for (const Run& run : c.runs) size += run.length;
    const auto held = static_cast<std::size_t>(high - low);
    const std::unique_ptr<std::uint8_t[]> memory(new std::uint8_t[held]);
    for (std::size_t i = 0; i < held; ++i) {
        memory[i] = c.draw == Draw::kAny ? static_cast<std::uint8_t>(random.below(256)) : 255;
    }
    const std::uint8_t* x = memory.get() - low;
    const std::size_t all = c.skip + c.outs;
    const std::unique_ptr<std::int8_t[]> rows(new std::int8_t[all * size]);
    for (std::size_t i = 0; i < all * size; ++i) {
        const int any_weight = static_cast<int>(random.below(255)) - 127;
        rows[i] = static_cast<std::int8_t>(c.draw == Draw::kAny        ? any_weight
                                           : c.draw == Draw::kGreatest ? 127
                                                                       : -127);
    }
    const std::unique_ptr<std::int32_t[]> offset(new std::int32_t[c.outs]);
    const std::unique_ptr<float[]> scale(new float[c.outs]), bias(new float[c.outs]);
    for (std::size_t o = 0; o < c.outs; ++o) {
        offset[o] = static_cast<std::int32_t>(random.below(20001)) - 10000;
        scale[o] = static_cast<float>(random.below(1000) + 1) / 7919.0f;
        bias[o] = static_cast<float>(random.below(2000)) / 33.0f - 30.0f;
    }

    const std::size_t stride = c.outs + 3;
    std::vector<float> expected(c.pixels * stride, -7.0f);
    for (std::size_t p = 0; p < c.pixels; ++p) {
        for (std::size_t o = 0; o < c.outs; ++o) {
            const std::int64_t sum = product(x + static_cast<std::ptrdiff_t>(p) * c.pixel_stride,
                                             c.runs, rows.get() + (c.skip + o) * size);
            const volatile float scaled =
                scale[o] * static_cast<float>(sum + offset[o]);  // never fused
            expected[p * stride + o] = scaled + bias[o];
        }
    }
    for (const ByteDotsKernels* level : levels()) {
        CHECK(level->block > 0 && 64 % level->block == 0);
        const std::size_t bytes = level->block_bytes(size);
        CHECK(bytes % 64 == 0);
        const Bytes weight = aligned((all + level->block - 1) / level->block * bytes);
        level->pack(rows.get(), all, size, weight.get());
        // Ends with the last output of the last pixel.
        const std::size_t end = (c.pixels - 1) * stride + c.outs;
        const std::unique_ptr<float[]> out(new float[end]);
        std::fill_n(out.get(), end, -7.0f);
        CHECK(c.skip % level->block == 0);
        level->run({.x = x,
                    .pixel_stride = c.pixel_stride,
                    .pixels = c.pixels,
                    .runs = c.runs.data(),
                    .run_count = c.runs.size(),
                    .size = size,
                    .weight = weight.get() + c.skip / level->block * bytes,
                    .offset = offset.get(),
                    .scale = scale.get(),
                    .bias = bias.get(),
                    .outs = c.outs,
                    .out = out.get(),
                    .out_stride = stride});
        CHECK(std::memcmp(out.get(), expected.data(), end * sizeof(float)) == 0);
    }
}

void any_number_of_pixels_and_outputs() {
    Random random(1);
    for (std::size_t pixels = 1; pixels <= 17; ++pixels) {
        for (const std::size_t outs : {1, 7, 16, 33, 64, 65, 130}) {
            compare(random, {{{0, 12}, {70, 12}, {140, 12}}, 3, pixels, outs});
        }
    }
    for (std::size_t outs = 1; outs <= 130; ++outs) {
        compare(random, {{{5, 4}}, 6, 1 + outs % 9, outs});
    }
}

void any_runs() {
    Random random(2);
    const std::vector<std::vector<Run>> layouts = {
        {{0, 4}},
        {{-3, 4}, {0, 8}, {5, 4}},
        {{0, 24}, {696, 24}, {1392, 24}, {2088, 24}, {2784, 24}, {3480, 24}, {4176, 24}},
        {{0, 0}, {2, 20}, {9, 0}, {7, 4}},  // empty ones, overlapping ones
        {{60, 8}, {31, 8}, {2, 8}},         // upwards
    };
    for (const auto& runs : layouts) {
        for (const std::ptrdiff_t stride : {0, 1, 6, -1, -5}) {
            compare(random, {runs, stride, 5, 40});
            compare(random, {runs, stride, 13, 65});
        }
    }
}

void very_long_filters() {
    Random random(3);
    compare(random, {{{0, 1024}}, 5, 3, 20});
    compare(random, {{{0, 1020}, {1, 8}}, -4, 7, 67});
    compare(random, {{{0, 4100}, {9, 1000}}, 1, 2, 9});
}

void sums_at_their_greatest() {
    Random random(4);
    for (const Draw draw : {Draw::kGreatest, Draw::kLeast}) {
        compare(random, {{{0, 16}}, 1, 3, 17, 0, draw});
        compare(random, {{{0, 65536}}, 0, 2, 3, 0, draw});
    }
}

void a_call_may_start_at_a_later_block() {
    Random random(5);
    compare(random, {{{0, 36}}, 3, 8, 50, 64});
    compare(random, {{{0, 8}, {80, 4}}, 2, 3, 64, 128});
}

void numbers_become_the_nearest_bytes() {
    const float infinity = std::numeric_limits<float>::infinity();
    std::vector<float> x{0.0f,   -0.0f,  1.25f,    1.75f,     0.75f,         -0.25f,
                         1e30f,  -1e30f, infinity, -infinity, std::nanf(""), 127.5f,
                         127.0f, -64.0f, -64.25f,  63.5f};
    Random random(6);
    while (x.size() < 75) x.push_back(static_cast<float>(random.below(400)) - 200.0f);
    for (const int zero : {0, 1, 128, 255}) {
        for (const float step : {0.5f, 1.0f, 3.0f}) {
            for (const ByteDotsKernels* level : levels()) {
                for (std::size_t n = 0; n <= x.size(); ++n) {
                    const std::unique_ptr<std::uint8_t[]> out(new std::uint8_t[n]);
                    level->quantise(x.data(), n, step, zero, out.get());
                    for (std::size_t i = 0; i < n; ++i) {
                        // nearbyint: ties to even, the default of the floating-point environment.
                        const float near = std::nearbyintf(x[i] / step);
                        const float low = static_cast<float>(-zero);
                        const float kept = !(near > low) ? low : std::fmin(near, low + 255.0f);
                        CHECK(out[i] == static_cast<int>(kept) + zero);
                    }
                }
            }
        }
    }
}

constexpr Test kTests[] = {
    {"byte_dots: any number of pixels and outputs", any_number_of_pixels_and_outputs},
    {"byte_dots: any runs", any_runs},
    {"byte_dots: very long filters", very_long_filters},
    {"byte_dots: sums at their greatest", sums_at_their_greatest},
    {"byte_dots: a call may start at a later block", a_call_may_start_at_a_later_block},
    {"byte_dots: numbers become the nearest bytes", numbers_become_the_nearest_bytes},
};

}  // namespace

std::span<const Test> byte_dots_tests() {
    return kTests;
}
