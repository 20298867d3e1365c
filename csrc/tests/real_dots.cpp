// Real convolution against sums written out, on memory that ends where the kernels must stop.
#include "bitgrove/real_dots.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "../graph/random.hpp"
#include "bitgrove/pack_signs.hpp"
#include "check.hpp"

namespace {

using bitgrove::RealDots;
using bitgrove::RealDotsKernels;
using bitgrove::Run;
using bitgrove::graph::Random;

std::vector<const RealDotsKernels*> levels() {
    std::vector<const RealDotsKernels*> all{&bitgrove::real_dots::scalar};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        all.push_back(&bitgrove::real_dots::avx2);
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        all.push_back(&bitgrove::real_dots::avx512);
    }
#elif defined(__aarch64__)
    all.push_back(&bitgrove::real_dots::neon);
#endif
    return all;
}

using Floats = std::unique_ptr<float[]>;

// Numbers in [-1, 1), with nothing allocated after the last one.
Floats numbers(Random& random, std::size_t n) {
    Floats values(new float[n]);
    for (std::size_t i = 0; i < n; ++i) {
        values[i] = static_cast<float>(random.below(1 << 20)) / (1 << 19) - 1;
    }
    return values;
}

struct Free {
    void operator()(void* p) const { std::free(p); }
};
using Packed = std::unique_ptr<void, Free>;

Packed packed(const RealDotsKernels& level, const float* rows, std::size_t outs, std::size_t size) {
    const std::size_t blocks = (outs + level.block - 1) / level.block;
    Packed to(std::aligned_alloc(64, blocks * level.block_bytes(size)));
    level.pack(rows, outs, size, to.get());
    return to;
}

Packed packed_signs(const RealDotsKernels& level, const std::uint64_t* rows, std::size_t outs,
                    std::size_t size) {
    const std::size_t blocks = (outs + level.block - 1) / level.block;
    Packed to(std::aligned_alloc(64, blocks * level.sign_block_bytes(size)));
    level.pack_signs(rows, outs, size, to.get());
    return to;
}

// Ways to read a patch: what ResNet's stem reads, a row per kernel row, taps apart, one number.
struct Layout {
    std::vector<Run> runs;
    std::ptrdiff_t pixel_stride;
};

const Layout kLayouts[] = {
    {{{0, 21}, {90, 21}, {180, 21}, {270, 21}, {360, 21}, {450, 21}, {540, 21}}, 6},
    {{{0, 9}, {60, 9}, {120, 9}}, 3},
    {{{4, 4}, {20, 4}, {36, 4}, {100, 4}}, 8},
    {{{0, 65}}, 65},
    {{{0, 1}}, 1},
    {{{30, 7}, {0, 0}, {60, 5}}, -3},
};

std::size_t size_of(const Layout& layout) {
    std::size_t size = 0;
    for (const Run& run : layout.runs) size += run.length;
    return size;
}

// The numbers that `pixels` pixels read, and where the first pixel lies in them.
struct Input {
    Floats numbers;
    const float* x;
};

Input input(Random& random, const Layout& layout, std::size_t pixels) {
    const auto back = static_cast<std::ptrdiff_t>(pixels - 1) * layout.pixel_stride;
    std::ptrdiff_t low = layout.runs[0].offset, high = low;
    for (const Run& run : layout.runs) {
        if (run.length == 0) continue;
        const auto length = static_cast<std::ptrdiff_t>(run.length);
        low = std::min(low, run.offset + std::min<std::ptrdiff_t>(back, 0));
        high = std::max(high, run.offset + length + std::max<std::ptrdiff_t>(back, 0));
    }
    Floats all = numbers(random, static_cast<std::size_t>(high - low));
    const float* x = all.get() - low;
    return {std::move(all), x};
}

// The definition, in double.
double expected(const Layout& layout, const float* x, std::size_t p, const float* filter,
                double bias) {
    double sum = bias;
    const float* pixel = x + static_cast<std::ptrdiff_t>(p) * layout.pixel_stride;
    for (const Run& run : layout.runs) {
        for (std::size_t i = 0; i < run.length; ++i) {
            sum += static_cast<double>(pixel[run.offset + static_cast<std::ptrdiff_t>(i)]) *
                   static_cast<double>(*filter++);
        }
    }
    return sum;
}

RealDots job(const Layout& layout, const float* x, std::size_t pixels, const void* weight,
             const float* bias, std::size_t outs, float* out, std::size_t out_stride) {
    return {.x = x,
            .pixel_stride = layout.pixel_stride,
            .pixels = pixels,
            .runs = layout.runs.data(),
            .run_count = layout.runs.size(),
            .size = size_of(layout),
            .weight = weight,
            .bias = bias,
            .outs = outs,
            .out = out,
            .out_stride = out_stride};
}

constexpr float kUntouched = 12345.0f;

void check_sums(Random& random, const Layout& layout, std::size_t pixels, std::size_t outs,
                bool with_bias) {
    const std::size_t size = size_of(layout), stride = outs + random.below(3);
    const Input in = input(random, layout, pixels);
    const Floats filters = numbers(random, outs * size), bias = numbers(random, outs);
    const std::size_t cells = (pixels - 1) * stride + outs;
    for (const RealDotsKernels* level : levels()) {
        const Packed weight = packed(*level, filters.get(), outs, size);
        Floats out(new float[cells]);
        for (std::size_t i = 0; i < cells; ++i) out[i] = kUntouched;
        level->run(job(layout, in.x, pixels, weight.get(), with_bias ? bias.get() : nullptr, outs,
                       out.get(), stride));
        for (std::size_t i = 0; i < cells; ++i) {
            const std::size_t p = i / stride, o = i % stride;
            if (o >= outs) {
                CHECK(out[i] == kUntouched);
                continue;
            }
            const double sum =
                expected(layout, in.x, p, filters.get() + o * size, with_bias ? bias[o] : 0.0);
            CHECK(std::fabs(out[i] - sum) <= 1e-6 * static_cast<double>(size + 2));
        }
    }
}

void sums_are_those_of_the_definition() {
    Random random(1);
    for (const Layout& layout : kLayouts) {
        for (std::size_t pixels = 1; pixels <= 17; ++pixels) {
            check_sums(random, layout, pixels, 1 + random.below(130), pixels % 2);
        }
        for (std::size_t outs = 1; outs <= 130; ++outs) {
            check_sums(random, layout, 1 + random.below(4), outs, outs % 2);
        }
    }
    for (const std::size_t pixels : {28u, 56u, 112u}) {
        check_sums(random, kLayouts[0], pixels, 64, true);
    }
}

// Sums of small integers are exact in any order, so that levels agree with the loop bit for bit.
void sums_of_integers_are_exact_at_every_level() {
    Random random(2);
    const Layout layout{{{0, 700}, {900, 500}}, 11};
    const std::size_t size = size_of(layout), pixels = 13, outs = 77;
    const Input in = input(random, layout, pixels);
    for (std::size_t i = 0; i < 1400 + 12 * 11; ++i) {
        in.numbers[i] = static_cast<float>(random.below(17)) - 8;
    }
    Floats filters(new float[outs * size]);
    for (std::size_t i = 0; i < outs * size; ++i) {
        filters[i] = static_cast<float>(random.below(17)) - 8;
    }
    for (const RealDotsKernels* level : levels()) {
        const Packed weight = packed(*level, filters.get(), outs, size);
        Floats out(new float[pixels * outs]);
        level->run(job(layout, in.x, pixels, weight.get(), nullptr, outs, out.get(), outs));
        for (std::size_t i = 0; i < pixels * outs; ++i) {
            CHECK(out[i] == expected(layout, in.x, i / outs, filters.get() + i % outs * size, 0));
        }
    }
}

// What run or run_signs gives for pixels from p and outputs from o, one of a block's first.
using Kernel = void (*RealDotsKernels::*)(const RealDots&);

void check_cuts(Random& random, const RealDotsKernels& level, Kernel run, std::size_t block_bytes,
                const Layout& layout, const void* weight, std::size_t pixels, std::size_t outs) {
    const Input in = input(random, layout, pixels);
    const Floats bias = numbers(random, outs);
    Floats whole(new float[pixels * outs]), cut(new float[pixels * outs]);
    (level.*run)(job(layout, in.x, pixels, weight, bias.get(), outs, whole.get(), outs));
    for (std::size_t p = 0; p < pixels;) {
        const std::size_t n = std::min<std::size_t>(pixels - p, 1 + random.below(15));
        for (std::size_t o = 0; o < outs;) {
            const std::size_t wide = level.block * (1 + random.below(3));
            const std::size_t m = std::min(outs - o, wide);
            (level.*run)(job(layout, in.x + static_cast<std::ptrdiff_t>(p) * layout.pixel_stride, n,
                             static_cast<const char*>(weight) + o / level.block * block_bytes,
                             bias.get() + o, m, cut.get() + p * outs + o, outs));
            o += m;
        }
        p += n;
    }
    for (std::size_t i = 0; i < pixels * outs; ++i) CHECK(whole[i] == cut[i]);
}

void a_result_does_not_depend_on_the_cut_into_calls() {
    Random random(3);
    const Layout layouts[] = {kLayouts[0], kLayouts[1], {{{0, 900}, {950, 300}}, 50}};
    for (const Layout& layout : layouts) {
        const std::size_t size = size_of(layout), words = bitgrove::words_for(size);
        for (const std::size_t outs : {40u, 130u, 600u}) {
            const Floats filters = numbers(random, outs * size);
            std::vector<std::uint64_t> bits(outs * words);
            for (auto& word : bits) word = random.next();
            for (const RealDotsKernels* level : levels()) {
                const Packed reals = packed(*level, filters.get(), outs, size);
                const Packed signs = packed_signs(*level, bits.data(), outs, size);
                for (const std::size_t pixels : {1u, 7u, 31u}) {
                    check_cuts(random, *level, &RealDotsKernels::run, level->block_bytes(size),
                               layout, reals.get(), pixels, outs);
                    check_cuts(random, *level, &RealDotsKernels::run_signs,
                               level->sign_block_bytes(size), layout, signs.get(), pixels, outs);
                }
            }
        }
    }
}

void check_signs(Random& random, const Layout& layout, std::size_t pixels, std::size_t outs) {
    const std::size_t size = size_of(layout), words = bitgrove::words_for(size);
    const Input in = input(random, layout, pixels);
    const Floats bias = numbers(random, outs);
    std::unique_ptr<std::uint64_t[]> bits(new std::uint64_t[outs * words]);
    for (std::size_t i = 0; i < outs * words; ++i) bits[i] = random.next();
    Floats filters(new float[outs * size]);
    for (std::size_t i = 0; i < outs * size; ++i) {
        const std::size_t o = i / size, k = i % size;
        filters[i] = bits[o * words + k / 64] >> (k % 64) & 1 ? 1.0f : -1.0f;
    }
    const std::size_t stride = outs + 1, cells = (pixels - 1) * stride + outs;
    for (const RealDotsKernels* level : levels()) {
        const Packed reals = packed(*level, filters.get(), outs, size);
        const Packed signs = packed_signs(*level, bits.get(), outs, size);
        Floats of_reals(new float[cells]), of_signs(new float[cells]);
        for (std::size_t i = 0; i < cells; ++i) of_reals[i] = of_signs[i] = kUntouched;
        level->run(
            job(layout, in.x, pixels, reals.get(), bias.get(), outs, of_reals.get(), stride));
        level->run_signs(
            job(layout, in.x, pixels, signs.get(), bias.get(), outs, of_signs.get(), stride));
        for (std::size_t i = 0; i < cells; ++i) CHECK(of_reals[i] == of_signs[i]);
    }
}

void filters_of_bits_give_what_filters_of_plus_and_minus_one_give() {
    Random random(4);
    for (const Layout& layout : kLayouts) {
        for (std::size_t pixels = 1; pixels <= 17; ++pixels) {
            check_signs(random, layout, pixels, 1 + random.below(130));
        }
        for (std::size_t outs = 1; outs <= 130; ++outs) {
            check_signs(random, layout, 1 + random.below(4), outs);
        }
    }
    check_signs(random, {{{0, 1100}}, 7}, 30, 70);
}

constexpr Test kTests[] = {
    {"real_dots: sums are those of the definition", sums_are_those_of_the_definition},
    {"real_dots: sums of integers are exact at every level",
     sums_of_integers_are_exact_at_every_level},
    {"real_dots: a result does not depend on the cut into calls",
     a_result_does_not_depend_on_the_cut_into_calls},
    {"real_dots: filters of bits give what filters of +1 and -1 give",
     filters_of_bits_give_what_filters_of_plus_and_minus_one_give},
};

}  // namespace

std::span<const Test> real_dots_tests() {
    return kTests;
}
