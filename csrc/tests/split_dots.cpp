// Real convolution in three parts of each number against sums in double, on fenced memory.
#include "bitgrove/split_dots.hpp"

#include <span>

#include "../dispatch/cpu.hpp"
#include "../graph/random.hpp"
#include "check.hpp"

#if defined(__x86_64__) && defined(__linux__)
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "fenced.hpp"

namespace {

using bitgrove::graph::Random;

const auto& kernels = bitgrove::split_dots::amx;

bool skipped() {
    if (bitgrove::cpu_has_amx_bf16()) return false;
    std::puts("    skipped: this machine has no AMX of bfloat16");
    return true;
}

using Floats = std::vector<float>;
using Number = float (*)(Random&);

// About a normal distribution.
float normal(Random& random) {
    float sum = 0;
    for (int i = 0; i < 12; ++i) sum += static_cast<float>(random.below(1 << 20)) / (1 << 20);
    return sum - 6;
}

// Of any magnitude from 1e-6 to 1e6.
float wide(Random& random) {
    const double power = 12.0 * random.below(1 << 20) / (1 << 20) - 6;
    const double sign = random.below(2) ? 1 : -1;
    return static_cast<float>(sign * std::pow(10.0, power));
}

// So large that products of two just have a float.
float whole(Random& random) {
    return static_cast<float>(random.below(8193)) - 4096;
}

float small_whole(Random& random) {
    return static_cast<float>(random.below(257)) - 128;
}

Floats numbers(Random& random, std::size_t n, Number number) {
    Floats all(n);
    for (float& x : all) x = number(random);
    return all;
}

struct Case {
    std::size_t rows, pixels, outs;
    std::size_t runs, length, pixel_stride, row_step;
    std::size_t gap;  // between the results of two pixels

    std::size_t size() const { return runs * length; }
    std::size_t lines() const { return (rows - 1) * row_step + runs; }
    std::size_t line() const { return (pixels - 1) * pixel_stride + length; }
    std::size_t apart() const { return outs + gap; }
    std::size_t results() const { return rows * pixels * apart() - gap; }
};

// The stem of a ResNet, other overlapping runs, lines that are full and lines that are not.
Case some_case(Random& random, std::size_t rows, std::size_t pixels, std::size_t outs) {
    constexpr std::size_t shapes[][4] = {{7, 21, 6, 2},   {3, 9, 3, 1},    {1, 64, 64, 1},
                                         {1, 96, 130, 1}, {3, 150, 50, 1}, {2, 1, 1, 1},
                                         {1, 300, 7, 1},  {4, 30, 40, 3},  {2, 16, 16, 2}};
    const auto& shape = shapes[random.below(std::size(shapes))];
    return {rows, pixels, outs, shape[0], shape[1], shape[2], shape[3], random.below(3)};
}

struct Data {
    Floats x, filters, bias;

    Data(const Case& c, Random& random, Number number)
        : x(numbers(random, c.lines() * c.line(), number)),
          filters(numbers(random, c.outs * c.size(), number)),
          bias(numbers(random, c.outs, number)) {}

    // Number k of a patch, and of a filter.
    float patch(const Case& c, std::size_t row, std::size_t pixel, std::size_t k) const {
        const std::size_t line = row * c.row_step + k / c.length;
        return x[line * c.line() + pixel * c.pixel_stride + k % c.length];
    }
    float filter(const Case& c, std::size_t out, std::size_t k) const {
        return filters[out * c.size() + k];
    }
};

// What a call gives for some of a case's rows, pixels and outputs, from a block's first on.
struct Part {
    std::size_t row, rows, pixel, pixels, out, outs;
};

constexpr float untouched = 12345.0f;

void run_part(const Case& c, const Data& data, const Part& part, bool at_end, float* results) {
    const auto stride = static_cast<std::ptrdiff_t>(c.pixel_stride);
    const std::size_t lines = (part.rows - 1) * c.row_step + c.runs;
    const std::size_t n = (part.pixels - 1) * c.pixel_stride + c.length;
    const std::size_t row_bytes = kernels.row_bytes(part.pixels, c.length);
    Fenced<float> line(n, at_end);
    Fenced<char> split(lines * row_bytes, at_end);
    std::vector<const void*> x;
    for (std::size_t i = 0; i < lines; ++i) {
        const float* from = &data.x[(part.row * c.row_step + i) * c.line()];
        std::copy_n(from + part.pixel * c.pixel_stride, n, line.data());
        x.push_back(split.data() + i * row_bytes);
        kernels.split(line.data(), stride, part.pixels, c.length, split.data() + i * row_bytes);
    }
    const std::size_t block_bytes = kernels.block_bytes(c.runs, c.length);
    Fenced<char> weight((c.outs + kernels.block - 1) / kernels.block * block_bytes, at_end);
    kernels.pack(data.filters.data(), c.outs, c.runs, c.length, weight.data());
    Fenced<float> bias(part.outs, at_end);
    std::copy_n(data.bias.data() + part.out, part.outs, bias.data());
    kernels.run({.x = x.data(),
                 .row_step = c.row_step,
                 .rows = part.rows,
                 .pixels = part.pixels,
                 .runs = c.runs,
                 .length = c.length,
                 .weight = weight.data() + part.out / kernels.block * block_bytes,
                 .bias = bias.data(),
                 .outs = part.outs,
                 .out = results + (part.row * c.pixels + part.pixel) * c.apart() + part.out,
                 .out_row_stride = c.pixels * c.apart(),
                 .out_stride = c.apart()});
}

// All results of a case, with nothing written between them.
Floats run(const Case& c, const Data& data, bool at_end) {
    Fenced<float> results(c.results(), at_end);
    std::fill_n(results.data(), results.size(), untouched);
    run_part(c, data, {0, c.rows, 0, c.pixels, 0, c.outs}, at_end, results.data());
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (i % c.apart() >= c.outs) CHECK(results.data()[i] == untouched);
    }
    return {results.data(), results.data() + results.size()};
}

// The largest error, as a part of the sum of magnitudes.
struct Error {
    double ours = 0, chain = 0;
};

void measure(const Case& c, const Data& data, const Floats& results, Error& error) {
    for (std::size_t i = 0; i < c.rows * c.pixels * c.outs; ++i) {
        const std::size_t o = i % c.outs, pixel = i / c.outs % c.pixels,
                          row = i / c.outs / c.pixels;
        double sum = data.bias[o], magnitude = std::fabs(sum);
        float chain = data.bias[o];
        for (std::size_t k = 0; k < c.size(); ++k) {
            const float x = data.patch(c, row, pixel, k), w = data.filter(c, o, k);
            sum += static_cast<double>(x) * static_cast<double>(w);
            magnitude += std::fabs(static_cast<double>(x) * static_cast<double>(w));
            chain = std::fma(x, w, chain);
        }
        const float result = results[(row * c.pixels + pixel) * c.apart() + o];
        CHECK(std::isfinite(result));
        error.ours = std::max(error.ours, std::fabs(result - sum) / magnitude);
        error.chain = std::max(error.chain, std::fabs(chain - sum) / magnitude);
    }
}

void errors_are_those_of_float32_or_smaller() {
    if (skipped()) return;
    Random random(1);
    for (const Number number : {normal, wide}) {
        for (std::size_t pixels = 1; pixels <= 40; ++pixels) {
            const Case c = some_case(random, 1 + random.below(5), pixels, 1 + random.below(70));
            const Data data(c, random, number);
            Error error;
            measure(c, data, run(c, data, random.below(2)), error);
            // A chain of two has two roundings; we have some more, however short the sum.
            constexpr double rounding = std::numeric_limits<float>::epsilon() / 2;
            CHECK(error.ours <= (c.size() > 2 ? 2 * error.chain : 4 * rounding));
        }
    }
}

void any_number_of_rows_and_outputs() {
    if (skipped()) return;
    Random random(2);
    for (std::size_t outs = 1; outs <= 70; ++outs) {
        const Case c = some_case(random, 1 + outs % 5, 1 + random.below(20), outs);
        const Data data(c, random, normal);
        Error error;
        measure(c, data, run(c, data, outs % 2), error);
        CHECK(error.ours < 4e-7);
    }
}

void sums_of_integers_are_exact() {
    if (skipped()) return;
    Random random(3);
    for (std::size_t pixels = 1; pixels <= 40; ++pixels) {
        const Case c = some_case(random, 1 + random.below(5), pixels, 1 + random.below(70));
        const Data data(c, random, small_whole);
        Error error;
        measure(c, data, run(c, data, pixels % 2), error);
        CHECK(error.ours == 0 && error.chain == 0);
    }
    // One number in two parts on each side, and no other: the whole product has a float.
    const Case c{.rows = 2,
                 .pixels = 21,
                 .outs = 40,
                 .runs = 1,
                 .length = 1,
                 .pixel_stride = 1,
                 .row_step = 1,
                 .gap = 0};
    Data data(c, random, whole);
    std::fill(data.bias.begin(), data.bias.end(), 0.0f);
    Error error;
    for (float& x : data.x) x += x == 0;
    for (float& x : data.filters) x += x == 0;
    measure(c, data, run(c, data, false), error);
    CHECK(error.ours == 0 && error.chain == 0);
}

void a_result_does_not_depend_on_the_cut_into_calls() {
    if (skipped()) return;
    Random random(4);
    for (int i = 0; i < 25; ++i) {
        const Case c =
            some_case(random, 1 + random.below(5), 1 + random.below(50), 1 + random.below(100));
        const Data data(c, random, normal);
        const Floats all = run(c, data, false);
        Floats cut(all.size(), untouched);
        for (std::size_t row = 0; row < c.rows;) {
            const std::size_t rows = 1 + random.below(static_cast<std::uint32_t>(c.rows - row));
            for (std::size_t p = 0; p < c.pixels;) {
                const auto left = static_cast<std::uint32_t>(c.pixels - p);
                const std::size_t pixels = 1 + random.below(left);
                for (std::size_t o = 0; o < c.outs;) {
                    const std::size_t outs =
                        std::min<std::size_t>(c.outs - o, kernels.block * (1 + random.below(3)));
                    run_part(c, data, {row, rows, p, pixels, o, outs}, true, cut.data());
                    o += outs;
                }
                p += pixels;
            }
            row += rows;
        }
        CHECK(std::memcmp(all.data(), cut.data(), all.size() * sizeof(float)) == 0);
    }
}

void numbers_that_are_not_finite_stay_in_their_own_results() {
    if (skipped()) return;
    Random random(5);
    constexpr auto infinity = std::numeric_limits<float>::infinity();
    for (const float odd : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::signaling_NaN()}) {
        for (int i = 0; i < 10; ++i) {
            const Case c = some_case(random, 3, 1 + random.below(30), 20);
            Data data(c, random, normal);
            const Floats before = run(c, data, false);
            const std::size_t at = random.below(static_cast<std::uint32_t>(data.x.size()));
            data.x[at] = odd;
            const Floats after = run(c, data, false);
            for (std::size_t j = 0; j < c.rows * c.pixels; ++j) {
                bool read = false;
                for (std::size_t k = 0; k < c.size() && !read; ++k) {
                    read = !std::isfinite(data.patch(c, j / c.pixels, j % c.pixels, k));
                }
                for (std::size_t o = 0; o < c.outs; ++o) {
                    const float a = before[j * c.apart() + o], b = after[j * c.apart() + o];
                    CHECK(read ? !std::isfinite(b) : a == b);
                }
            }
        }
    }
}

void the_largest_floats_stay_finite() {
    if (skipped()) return;
    const Case c{.rows = 1,
                 .pixels = 2,
                 .outs = 3,
                 .runs = 1,
                 .length = 1,
                 .pixel_stride = 1,
                 .row_step = 1,
                 .gap = 0};
    Random random(6);
    Data data(c, random, normal);
    constexpr float largest = std::numeric_limits<float>::max();
    data.x = {largest, -largest};
    data.filters = {1.0f, -1.0f, 0.5f};
    data.bias = {0.0f, 0.0f, 0.0f};
    const Floats expected{largest, -largest, largest / 2, -largest, largest, -largest / 2};
    CHECK(run(c, data, false) == expected);
}

constexpr Test kTests[] = {
    {"split_dots: errors are those of float32 or smaller", errors_are_those_of_float32_or_smaller},
    {"split_dots: any number of rows and outputs", any_number_of_rows_and_outputs},
    {"split_dots: sums of integers are exact", sums_of_integers_are_exact},
    {"split_dots: a result does not depend on the cut into calls",
     a_result_does_not_depend_on_the_cut_into_calls},
    {"split_dots: numbers that are not finite stay in their own results",
     numbers_that_are_not_finite_stay_in_their_own_results},
    {"split_dots: the largest floats stay finite", the_largest_floats_stay_finite},
};

}  // namespace

std::span<const Test> split_dots_tests() {
    return kTests;
}

#else

std::span<const Test> split_dots_tests() {
    return {};
}

#endif
