// Binary convolution along a row against loops over its bits, on memory that ends where a level
// must stop, so that a sanitizer sees over-reads.
#include "bitgrove/binary_dots.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "../graph/random.hpp"
#include "check.hpp"

namespace {

using bitgrove::BinaryDots;
using bitgrove::BinaryDotsKernels;
using bitgrove::Run;
using bitgrove::graph::Random;

std::vector<const BinaryDotsKernels*> levels() {
    std::vector<const BinaryDotsKernels*> found{&bitgrove::binary_dots::scalar};
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        found.push_back(&bitgrove::binary_dots::avx2);
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        found.push_back(&bitgrove::binary_dots::avx512bw);
        if (__builtin_cpu_supports("avx512vpopcntdq")) {
            found.push_back(&bitgrove::binary_dots::avx512);
        }
    }
#elif defined(__aarch64__)
    found.push_back(&bitgrove::binary_dots::neon);
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

struct Case {
    std::vector<Run> runs;
    std::ptrdiff_t pixel_stride;
    std::size_t pixels, outs;
    std::size_t skip = 0;  // outputs that belong to blocks before the call
};

// Bit by bit: the sum of the products of signs, of which one and its opposite are 1 and 0.
float product(const std::uint64_t* x, const std::vector<Run>& runs, const std::uint64_t* filter) {
    std::int64_t sum = 0;
    for (const Run& run : runs) {
        for (std::size_t k = 0; k < run.length; ++k, ++filter) {
            for (int bit = 0; bit < 64; ++bit) {
                const auto a = x[run.offset + static_cast<std::ptrdiff_t>(k)] >> bit & 1;
                sum += a == (*filter >> bit & 1) ? 1 : -1;
            }
        }
    }
    return static_cast<float>(sum);
}

void compare(Random& random, const Case& c) {
    // The words that some pixel reads, and not one more.
    std::ptrdiff_t low = 0, high = 0;
    std::size_t words = 0;
    bool any = false;
    for (std::size_t p = 0; p < c.pixels; ++p) {
        for (const Run& run : c.runs) {
            const auto at = static_cast<std::ptrdiff_t>(p) * c.pixel_stride + run.offset;
            low = any ? std::min(low, at) : at;
            high = std::max(any ? high : at, at + static_cast<std::ptrdiff_t>(run.length));
            any = true;
        }
    }
    for (const Run& run : c.runs) words += run.length;
    const auto held = static_cast<std::size_t>(high - low);
    const std::unique_ptr<std::uint64_t[]> memory(new std::uint64_t[held]);
    for (std::size_t i = 0; i < held; ++i) memory[i] = random.next();
    const std::uint64_t* x = memory.get() - low;
    const std::size_t all = c.skip + c.outs;
    const std::unique_ptr<std::uint64_t[]> rows(new std::uint64_t[all * words]);
    for (std::size_t i = 0; i < all * words; ++i) rows[i] = random.next();

    const std::size_t stride = c.outs + 3;
    std::vector<float> expected(c.pixels * stride, -7.0f);
    for (std::size_t p = 0; p < c.pixels; ++p) {
        for (std::size_t o = 0; o < c.outs; ++o) {
            expected[p * stride + o] = product(x + static_cast<std::ptrdiff_t>(p) * c.pixel_stride,
                                               c.runs, rows.get() + (c.skip + o) * words);
        }
    }
    for (const BinaryDotsKernels* level : levels()) {
        CHECK(level->block > 0 && 64 % level->block == 0);
        const std::size_t bytes = level->block_bytes(words);
        CHECK(bytes % 64 == 0);
        const Bytes weight = aligned((all + level->block - 1) / level->block * bytes);
        level->pack(rows.get(), all, words, weight.get());
        // Ends with the last output of the last pixel.
        const std::size_t size = (c.pixels - 1) * stride + c.outs;
        const std::unique_ptr<float[]> out(new float[size]);
        std::fill_n(out.get(), size, -7.0f);
        CHECK(c.skip % level->block == 0);
        level->run({.x = x,
                    .pixel_stride = c.pixel_stride,
                    .pixels = c.pixels,
                    .runs = c.runs.data(),
                    .run_count = c.runs.size(),
                    .words = words,
                    .weight = weight.get() + c.skip / level->block * bytes,
                    .outs = c.outs,
                    .length = static_cast<std::int32_t>(64 * words),
                    .out = out.get(),
                    .out_stride = stride});
        CHECK(std::equal(out.get(), out.get() + size, expected.begin()));
    }
}

void any_number_of_pixels_and_outputs() {
    Random random(1);
    for (std::size_t pixels = 1; pixels <= 17; ++pixels) {
        for (const std::size_t outs : {1, 7, 16, 33, 65, 96, 130}) {
            compare(random, {{{0, 3}, {40, 3}, {80, 3}}, 1, pixels, outs});
        }
    }
    for (std::size_t outs = 1; outs <= 130; ++outs) {
        compare(random, {{{5, 1}}, 2, 1 + outs % 9, outs});
    }
}

void any_runs() {
    Random random(2);
    const std::vector<std::vector<Run>> layouts = {
        {{0, 1}},
        {{-3, 1}, {0, 2}, {4, 1}},
        {{0, 72}},
        {{0, 24}, {100, 24}, {200, 24}},
        {{0, 0}, {2, 5}, {9, 0}, {7, 1}},  // empty ones, overlapping ones
        {{20, 2}, {10, 2}, {0, 2}},        // upwards
        {{0, 29}},
        {{0, 30}},
        {{0, 31}},
        {{1, 32}, {0, 1}},  // where narrow counts fill up
    };
    for (const auto& runs : layouts) {
        for (const std::ptrdiff_t stride : {0, 1, 3, -1, -5}) {
            compare(random, {runs, stride, 5, 40});
            compare(random, {runs, stride, 11, 65});
        }
    }
}

void very_long_filters() {
    Random random(3);
    compare(random, {{{0, 255}, {300, 1}}, 1, 3, 20});
    compare(random, {{{0, 256}, {300, 1}}, 1, 9, 3});
    compare(random, {{{0, 1100}}, 7, 2, 66});  // more than 65,535 signs
    compare(random, {{{0, 700}, {1000, 900}}, -2, 4, 5});
}

// Patches and filters of one sign each: all bits differ, or none, in any mixture of neighbours.
void counts_at_their_greatest() {
    constexpr std::size_t pixels = 5, outs = 130;
    Random random(5);
    for (const std::size_t words : {1, 4, 31, 128, 256, 1100}) {
        std::vector<std::uint64_t> x, rows;
        for (std::size_t p = 0; p < pixels; ++p) x.resize(x.size() + words, -(random.next() >> 63));
        for (std::size_t o = 0; o < outs; ++o) {
            rows.resize(rows.size() + words, -(random.next() >> 63));
        }
        const Run run{0, words};
        const auto length = static_cast<std::int32_t>(64 * words);
        for (const BinaryDotsKernels* level : levels()) {
            const std::size_t blocks = (outs + level->block - 1) / level->block;
            const Bytes weight = aligned(blocks * level->block_bytes(words));
            level->pack(rows.data(), outs, words, weight.get());
            for (std::size_t n = 1; n <= pixels; ++n) {
                std::vector<float> out(n * outs);
                level->run({x.data(), static_cast<std::ptrdiff_t>(words), n, &run, 1, words,
                            weight.get(), outs, length, out.data(), outs});
                for (std::size_t i = 0; i < n * outs; ++i) {
                    const bool same = x[i / outs * words] == rows[i % outs * words];
                    CHECK(out[i] == static_cast<float>(same ? length : -length));
                }
            }
        }
    }
}

void a_call_may_start_at_a_later_block() {
    Random random(4);
    compare(random, {{{0, 9}}, 1, 8, 50, 64});
    compare(random, {{{0, 2}, {8, 2}}, 2, 3, 64, 128});
    compare(random, {{{0, 300}}, 2, 3, 10, 64});
}

constexpr Test kTests[] = {
    {"binary_dots: any number of pixels and outputs", any_number_of_pixels_and_outputs},
    {"binary_dots: any runs", any_runs},
    {"binary_dots: very long filters", very_long_filters},
    {"binary_dots: counts at their greatest", counts_at_their_greatest},
    {"binary_dots: a call may start at a later block", a_call_may_start_at_a_later_block},
};

}  // namespace

std::span<const Test> binary_dots_tests() {
    return kTests;
}
