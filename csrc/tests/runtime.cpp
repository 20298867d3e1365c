// The executor, with odd sizes at every boundary, for the sanitizers.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

#include "../runtime/network.hpp"
#include "check.hpp"

namespace {

using namespace bitgrove;
using namespace bitgrove::runtime;

std::vector<float> reals(std::size_t n, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> out(n);
    for (float& x : out) x = normal(random);
    return out;
}

// Filters of `channels` signs each, np.packbits order, padding bits zero.
std::vector<std::uint8_t> filters(std::size_t rows, std::size_t channels, unsigned seed) {
    std::mt19937 random(seed);
    const std::size_t bytes = (channels + 7) / 8;
    std::vector<std::uint8_t> out(rows * bytes);
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<std::uint8_t>(random());
        if (channels % 8 && i % bytes == bytes - 1)
            out[i] &= static_cast<std::uint8_t>(0xff00 >> channels % 8);
    }
    return out;
}

struct Case {
    std::size_t channels, outs, groups, stride, padding, dilation;
    int pad_value;
};

void binary_convolutions_equal_the_written_sum() {
    const Case cases[] = {
        {1, 1, 1, 1, 0, 1, -1},  {63, 5, 1, 1, 1, 1, 0},   {64, 17, 1, 2, 1, 1, 1},
        {65, 33, 1, 1, 2, 2, 0}, {130, 6, 2, 1, 1, 1, -1}, {12, 12, 12, 2, 1, 1, 0},
    };
    for (const Case& c : cases) {
        const Shape in{7, 5, c.channels};
        const Window window{{3, 2}, {c.stride, c.stride}, {c.padding, c.padding}, {c.dilation, 1}};
        const std::size_t inner = c.channels / c.groups, bytes = (inner + 7) / 8;
        const auto weight = filters(c.outs * 6, inner, 1);
        Network net(in);
        const std::size_t bits = net.add(make_sign(net.value(0), {}, {}, c.groups), {0});
        const std::size_t out = net.add(make_binary_conv2d(net.value(bits), weight, {}, {}, c.outs,
                                                           window, c.groups, c.pad_value),
                                        {bits});
        net.finish({out});
        const Shape shape = net.value(out).shape;
        const auto x = reals(in.size(), 2);
        std::vector<float> got(shape.size());
        float* const outs[] = {got.data()};
        net.run(x.data(), 1, outs, 1);
        for (std::size_t o = 0; o < c.outs; ++o) {
            for (std::size_t y = 0; y < shape.h; ++y) {
                for (std::size_t z = 0; z < shape.w; ++z) {
                    int sum = 0;
                    for (std::size_t t = 0; t < 6; ++t) {
                        std::size_t sy, sx;
                        const bool inside = window.source(y, t / 2, in.h, 0, sy) &
                                            window.source(z, t % 2, in.w, 1, sx);
                        for (std::size_t i = 0; i < inner; ++i) {
                            const std::size_t channel = o / (c.outs / c.groups) * inner + i;
                            const int a = !inside                                     ? c.pad_value
                                          : x[(channel * in.h + sy) * in.w + sx] >= 0 ? 1
                                                                                      : -1;
                            const int bit = weight[(o * 6 + t) * bytes + i / 8] >> (7 - i % 8) & 1;
                            sum += a * (2 * bit - 1);
                        }
                    }
                    CHECK(got[(o * shape.h + y) * shape.w + z] == static_cast<float>(sum));
                }
            }
        }
    }
}

void threads_share_a_network_and_agree() {
    const Shape in{9, 8, 3};
    Network net(in);
    const Window window{{3, 3}, {1, 1}, {1, 1}, {1, 1}};
    const Window halves{{2, 2}, {2, 2}, {0, 0}, {1, 1}};
    const auto stem = reals(10 * 9 * 3, 3), slope = reals(10, 4);
    std::size_t v = net.add(make_conv2d(net.value(0), stem, {}, 10, window, 1, 0), {0});
    v = net.add(make_prelu(net.value(v), slope), {v});
    const std::size_t kept = v;
    v = net.add(make_sign(net.value(v), slope, {}, 1), {v});
    v = net.add(
        make_binary_conv2d(net.value(v), filters(90, 10, 5), slope, slope, 10, window, 1, -1), {v});
    v = net.add(make_add(net.value(v), net.value(kept)), {v, kept});
    v = net.add(make_avg_pool2d(net.value(v), halves, true), {v});
    v = net.add(make_flatten(net.value(v)), {v});
    net.finish({v});
    constexpr std::size_t n = 40;
    const auto x = reals(n * in.size(), 6);
    const std::size_t size = net.value(v).shape.size();
    std::vector<float> expected(n * size);
    float* const first[] = {expected.data()};
    net.run(x.data(), n, first, 1);
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 3; ++caller) {
        callers.emplace_back([&] {
            std::vector<float> got(n * size);
            float* const outs[] = {got.data()};
            net.run(x.data(), n, outs, 4);
            CHECK(got == expected);
        });
    }
}

void sizes_past_the_limits_are_refused() {
    const auto refused = [](auto build) {
        try {
            build();
        } catch (const std::invalid_argument&) {
            return true;
        }
        return false;
    };
    CHECK(refused([] { Network({1, 1, 0}); }));
    CHECK(refused([] { Network({1 << 17, 1, 1}); }));
    CHECK(refused([] { Network({1 << 16, 1 << 16, 1 << 10}); }));
    CHECK(refused([] {
        const Window window{{3, 3}, {1, 1}, {0, 0}, {1, 1}};
        const std::vector<float> weight(9);
        make_conv2d({Kind::real, {2, 2, 1}}, weight, {}, 1, window, 1, 0);
    }));
}

constexpr Test kTests[] = {
    {"runtime: binary convolutions equal the written sum",
     binary_convolutions_equal_the_written_sum},
    {"runtime: threads share a network and agree", threads_share_a_network_and_agree},
    {"runtime: sizes past the limits are refused", sizes_past_the_limits_are_refused},
};

}  // namespace

std::span<const Test> runtime_tests() {
    return kTests;
}
