// The matrix unit's convolution against loops over signs, on fenced memory.
#include "bitgrove/sign_dots.hpp"

#include <span>

#include "../dispatch/cpu.hpp"
#include "../graph/random.hpp"
#include "check.hpp"

#if defined(__x86_64__) && defined(__linux__)
#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "fenced.hpp"

namespace {

using bitgrove::Run;
using bitgrove::graph::Random;

const auto& kernels = bitgrove::sign_dots::amx;

bool skipped() {
    if (bitgrove::cpu_has_amx()) return false;
    std::puts("    skipped: this machine has no AMX of bytes");
    return true;
}

// A convolution whose input is no larger than what it reads.
struct Case {
    std::size_t rows, pixels, outs, channels;
    std::size_t high, wide, stride, dilation;  // of the kernel
    std::size_t gap;                           // between the results of two pixels

    std::size_t words() const { return (channels + 63) / 64; }  // of a pixel
    std::size_t columns() const { return (pixels - 1) * stride + (wide - 1) * dilation + 1; }
    std::size_t lines() const { return (rows - 1) * stride + (high - 1) * dilation + 1; }

    // One run for each row of the kernel, or for each tap if the kernel has holes.
    std::vector<Run> runs() const {
        std::vector<Run> found;
        const std::size_t pixel = words() * 64, taps = dilation == 1 ? wide : 1;
        for (std::size_t r = 0; r < high; ++r) {
            for (std::size_t c = 0; c < wide; c += taps) {
                const std::size_t at = (r * columns() + c) * dilation * pixel;
                found.push_back({static_cast<std::ptrdiff_t>(at), taps * pixel});
            }
        }
        return found;
    }
};

std::vector<std::uint64_t> signs(Random& random, std::size_t pixels, std::size_t channels) {
    const std::size_t words = (channels + 63) / 64;
    std::vector<std::uint64_t> out(pixels * words);
    for (auto& word : out) word = random.next();
    const std::uint64_t last = channels % 64 ? (1ull << channels % 64) - 1 : ~0ull;
    for (std::size_t p = 0; p < pixels; ++p) out[p * words + words - 1] &= last;
    return out;
}

int sign_at(const std::uint64_t* words, std::size_t channel) {
    return words[channel / 64] >> channel % 64 & 1 ? 1 : -1;
}

int expected(const Case& c, const std::vector<std::uint64_t>& x,
             const std::vector<std::uint64_t>& filters, std::size_t row, std::size_t pixel,
             std::size_t out) {
    int sum = 0;
    for (std::size_t i = 0; i < c.high; ++i) {
        for (std::size_t j = 0; j < c.wide; ++j) {
            const std::size_t y = row * c.stride + i * c.dilation;
            const std::size_t z = pixel * c.stride + j * c.dilation;
            const auto* patch = &x[(y * c.columns() + z) * c.words()];
            const auto* filter = &filters[((out * c.high + i) * c.wide + j) * c.words()];
            for (std::size_t k = 0; k < c.channels; ++k) {
                sum += sign_at(patch, k) * sign_at(filter, k);
            }
        }
    }
    return sum;
}

// Runs a case from output `first` on, a multiple of the block, and checks all it wrote and left.
void check(const Case& c, Random& random, std::size_t first = 0) {
    const bool at_end = random.below(2);
    const std::size_t each = c.high * c.wide, words = each * c.words(), outs = c.outs - first;
    const auto x = signs(random, c.lines() * c.columns(), c.channels);
    const auto filters = signs(random, c.outs * each, c.channels);
    Fenced<std::int8_t> bytes(x.size() * 64, at_end);
    kernels.expand(x.data(), x.size(), bytes.data());
    const std::size_t blocks = (c.outs + kernels.block - 1) / kernels.block;
    Fenced<char> weight(blocks * kernels.block_bytes(words), at_end);
    kernels.pack(filters.data(), c.outs, words, weight.data());

    const std::size_t apart = outs + c.gap, row = c.pixels * apart;
    Fenced<float> out(c.rows * row - c.gap, at_end);
    std::fill_n(out.data(), out.size(), std::numeric_limits<float>::quiet_NaN());
    const auto runs = c.runs();
    const auto pixel = static_cast<std::ptrdiff_t>(c.stride * c.words() * 64);
    kernels.run({.x = bytes.data(),
                 .row_stride = pixel * static_cast<std::ptrdiff_t>(c.columns()),
                 .pixel_stride = pixel,
                 .rows = c.rows,
                 .pixels = c.pixels,
                 .runs = runs.data(),
                 .run_count = runs.size(),
                 .words = words,
                 .weight = weight.data() + first / kernels.block * kernels.block_bytes(words),
                 .outs = outs,
                 .length = static_cast<std::int32_t>(each * c.channels),
                 .out = out.data(),
                 .out_row_stride = row,
                 .out_stride = apart});
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::size_t r = i / row, p = i % row / apart, o = i % apart;
        if (o < outs) {
            CHECK(out.data()[i] == static_cast<float>(expected(c, x, filters, r, p, first + o)));
        } else {
            CHECK(std::isnan(out.data()[i]));
        }
    }
}

void any_number_of_pixels_and_outputs() {
    if (skipped()) return;
    Random random(1);
    for (std::size_t pixels = 1; pixels <= 70; ++pixels) {
        check({.rows = 1 + random.below(3),
               .pixels = pixels,
               .outs = 1 + random.below(64),
               .channels = 1 + random.below(128),
               .high = 1,
               .wide = 1 + random.below(3),
               .stride = 1,
               .dilation = 1,
               .gap = random.below(3)},
              random);
    }
}

void kernels_of_any_shape() {
    if (skipped()) return;
    Random random(2);
    for (int i = 0; i < 100; ++i) {
        check({.rows = 1 + random.below(9),
               .pixels = 1 + random.below(20),
               .outs = 1 + random.below(40),
               .channels = 1 + random.below(192),
               .high = 1 + random.below(3),
               .wide = 1 + random.below(3),
               .stride = 1 + random.below(3),
               .dilation = 1 + random.below(2),
               .gap = random.below(2) * 16},
              random);
    }
}

// Rows as short as these share a tile with what lies between them.
void images_smaller_than_a_tile() {
    if (skipped()) return;
    Random random(3);
    for (std::size_t pixels = 1; pixels <= 8; ++pixels) {
        for (std::size_t rows = 1; rows <= 9; ++rows) {
            check({.rows = rows,
                   .pixels = pixels,
                   .outs = 17,
                   .channels = 64,
                   .high = 1 + random.below(3),
                   .wide = 1 + random.below(3),
                   .stride = 1 + random.below(2),
                   .dilation = 1,
                   .gap = 1},
                  random);
        }
    }
}

void a_call_may_start_at_any_block() {
    if (skipped()) return;
    Random random(4);
    const Case c{.rows = 4,
                 .pixels = 14,
                 .outs = 83,
                 .channels = 70,
                 .high = 3,
                 .wide = 3,
                 .stride = 1,
                 .dilation = 1,
                 .gap = 0};
    for (std::size_t first = 0; first < c.outs; first += kernels.block) check(c, random, first);
}

void threads_do_not_disturb_each_other() {
    if (skipped()) return;
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
        threads.emplace_back([t] {
            Random random(5 + t);
            for (std::size_t i = 0; i < 10; ++i) {
                check({.rows = 3,
                       .pixels = 5 * t + 7,
                       .outs = 20,
                       .channels = 64,
                       .high = 3,
                       .wide = 3,
                       .stride = 1,
                       .dilation = 1,
                       .gap = 0},
                      random);
            }
        });
    }
    for (auto& thread : threads) thread.join();
}

constexpr Test kTests[] = {
    {"sign_dots: any number of pixels and outputs", any_number_of_pixels_and_outputs},
    {"sign_dots: kernels of any shape", kernels_of_any_shape},
    {"sign_dots: images smaller than a tile", images_smaller_than_a_tile},
    {"sign_dots: a call may start at any block", a_call_may_start_at_any_block},
    {"sign_dots: threads do not disturb each other", threads_do_not_disturb_each_other},
};

}  // namespace

std::span<const Test> sign_dots_tests() {
    return kTests;
}

#else

std::span<const Test> sign_dots_tests() {
    return {};
}

#endif
