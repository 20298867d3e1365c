// The executor, with odd sizes at every boundary, for the sanitizers.
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <random>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

#include "../runtime/crew.hpp"
#include "../runtime/network.hpp"
#include "check.hpp"
#include "every_tap.hpp"

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
    std::size_t channels, outs, groups;
    Shape size;
    Window window;
    int pad_value;
};

// The dot product that belongs to output `o` at pixel `p`, from float signs and packed bytes.
int written_sum(const Case& c, const std::vector<float>& x, const std::vector<std::uint8_t>& weight,
                std::size_t o, const Triple& p) {
    const std::size_t inner = c.channels / c.groups, bytes = (inner + 7) / 8;
    const std::size_t taps = c.window.taps(), pixels = c.size.pixels();
    const Shape kernel{c.window.kernel[0], c.window.kernel[1], c.window.kernel[2], 1};
    int sum = 0;
    for (std::size_t t = 0; t < taps; ++t) {
        const Triple tap = place(t, kernel);
        bool inside = true;
        Triple at{};
        for (int axis : {0, 1, 2}) {
            inside &= c.window.source(p[axis], tap[axis], c.size.side(axis), axis, at[axis]);
        }
        const std::size_t pixel = (at[0] * c.size.h + at[1]) * c.size.w + at[2];
        for (std::size_t i = 0; i < inner; ++i) {
            const std::size_t channel = o / (c.outs / c.groups) * inner + i;
            const int a = !inside ? c.pad_value : x[channel * pixels + pixel] >= 0 ? 1 : -1;
            const int bit = weight[(o * taps + t) * bytes + i / 8] >> (7 - i % 8) & 1;
            sum += a * (2 * bit - 1);
        }
    }
    return sum;
}

void binary_convolutions_equal_the_written_sum() {
    const Case cases[] = {
        {1, 1, 1, {1, 7, 5, 1}, {{1, 3, 2}}, -1},
        {63, 5, 1, {1, 7, 5, 63}, {{1, 3, 2}, {1, 1, 1}, {0, 1, 1}}, 0},
        {64, 17, 1, {1, 7, 5, 64}, {{1, 3, 2}, {1, 2, 2}, {0, 1, 1}}, 1},
        {65, 33, 1, {1, 7, 5, 65}, {{1, 3, 2}, {1, 1, 1}, {0, 2, 2}, {1, 2, 1}}, 0},
        {130, 6, 2, {1, 1, 9, 130}, {{1, 1, 3}, {1, 1, 2}, {0, 0, 1}, {1, 1, 2}}, -1},
        {12, 12, 12, {3, 4, 5, 12}, {{2, 3, 2}, {1, 2, 1}, {1, 1, 1}}, 0},
        {66, 4, 1, {3, 4, 5, 66}, {{3, 3, 3}, {2, 1, 1}, {1, 2, 0}, {1, 2, 2}}, 0},
    };
    for (const Case& c : cases) {
        const auto weight = filters(c.outs * c.window.taps(), c.channels / c.groups, 1);
        Network net(c.size);
        const std::size_t bits = net.add(make_sign(net.value(0), {}, {}, c.groups), {0});
        const std::size_t out = net.add(make_binary_conv(net.value(bits), weight, {}, {}, c.outs,
                                                         c.window, c.groups, c.pad_value),
                                        {bits});
        net.finish({out});
        const Shape shape = net.value(out).shape;
        const auto x = reals(c.size.size(), 2);
        std::vector<float> got(shape.size());
        float* const outs[] = {got.data()};
        net.run(x.data(), 1, outs, 1);
        for (std::size_t o = 0; o < c.outs; ++o) {
            for (std::size_t p = 0; p < shape.pixels(); ++p) {
                const int sum = written_sum(c, x, weight, o, place(p, shape));
                CHECK(got[o * shape.pixels() + p] == static_cast<float>(sum));
            }
        }
    }
}

// Every operator at odd sizes; what they compute is tested from Python.
void operators_stay_inside_their_memory() {
    for (const Shape& in : {Shape{1, 1, 11, 5}, Shape{1, 7, 5, 5}, Shape{3, 5, 4, 5}}) {
        Network net(in);
        const Triple kernel{in.d > 1 ? 2u : 1u, in.h > 1 ? 2u : 1u, 2};
        const Window hanging{kernel, {1, 3, 3}, {0, 0, 1}, {1, 1, 1}, true};
        const Window wide{kernel, {1, 1, 1}, {0, 0, 1}};
        const auto vector = reals(15, 1), weight = reals(15 * wide.taps() * 5, 2);
        const auto map = reals(in.pixels(), 3);
        const std::vector<std::uint8_t> flip{0xa0};
        const Floats five(vector.data(), 5);
        const Floats depthwise(weight.data(), 15 * wide.taps());
        std::vector<std::size_t> ends;
        const auto add = [&](OpPtr op, std::vector<std::size_t> inputs) {
            ends.push_back(net.add(std::move(op), std::move(inputs)));
            return ends.back();
        };
        const Value first = net.value(0);  // a copy: values move when more are added
        add(make_conv(first, weight, vector, 15, wide, 1, 1), {0});
        add(make_conv(first, depthwise, vector, 15, wide, 5, -1), {0});
        add(make_conv(first, Floats(weight.data(), 5 * wide.taps()), {}, 5, wide, 5, 0), {0});
        add(make_max_pool(first, hanging), {0});
        add(make_avg_pool(first, hanging, true), {0});
        add(make_avg_pool(first, hanging, false), {0});
        add(make_adaptive_avg_pool(first, {2, 3, 13}), {0});
        add(make_input_scale(first, wide, 5), {0});
        for (auto mode : {Upsampling::nearest, Upsampling::linear}) {
            const Triple size{in.d + 1, 2 * in.h, 3};
            add(make_upsample(first, size, {0.5f, 0.5f, 1e7f}, mode), {0});
        }
        add(make_pad(first, {0, 1, 2}, {3, 0, 1}, 0.5f), {0});
        add(make_affine(first, five, five), {0});
        add(make_scale_map(first, map, {in.d, in.h, in.w, 1}), {0});
        add(make_scale_map(first, five, {1, 1, 1, 5}), {0});
        add(make_prelu(first, five, five, {}), {0});
        add(make_clip(first, -1, 1, 0.1f), {0});
        add(make_binarise(first, five, flip), {0});
        const std::size_t sigmoid = add(make_sigmoid(first), {0});
        const std::size_t mean = add(make_adaptive_avg_pool(first, {1, 1, 1}), {0});
        add(make_multiply(first, net.value(mean)), {0, mean});
        const std::vector<Value> three(3, first);
        const std::size_t joined = add(make_concat(three), {0, sigmoid, 0});
        add(make_flatten(net.value(joined)), {joined});
        net.finish(ends);
        std::vector<std::vector<float>> got;
        std::vector<float*> outs;
        for (std::size_t end : ends) got.emplace_back(2 * net.value(end).shape.size());
        for (auto& out : got) outs.push_back(out.data());
        const auto pictures = reals(2 * in.size(), 4);
        net.run(pictures.data(), 2, outs, 2);
        for (const auto& out : got) {
            for (float number : out) CHECK(std::isfinite(number));
        }
    }
}

void threads_share_a_network_and_agree() {
    const Shape in{1, 9, 8, 3};
    Network net(in);
    const Window window{{1, 3, 3}, {1, 1, 1}, {0, 1, 1}};
    const Window halves{{1, 2, 2}, {1, 2, 2}};
    const auto stem = reals(10 * 9 * 3, 3), slope = reals(10, 4);
    std::size_t v = net.add(make_conv(net.value(0), stem, {}, 10, window, 1, 0), {0});
    v = net.add(make_prelu(net.value(v), slope, {}, {}), {v});
    const std::size_t kept = v;
    v = net.add(make_sign(net.value(v), slope, {}, 1), {v});
    v = net.add(make_binary_conv(net.value(v), filters(90, 10, 5), slope, slope, 10, window, 1, -1),
                {v});
    v = net.add(make_add(net.value(v), net.value(kept)), {v, kept});
    v = net.add(make_avg_pool(net.value(v), halves, true), {v});
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

// Every operator behind the one before it where nothing else is said: sums in place, rows that are
// streamed, bits that are pooled, signs in groups, one value with two borders.
void add_what_is_fused(Network& net) {
    const Triple one{1, 1, 1};
    const Window three{{1, 3, 3}, one, {0, 1, 1}}, point{one}, half{{1, 2, 2}, {1, 2, 2}};
    std::size_t last = 0;
    const auto add = [&](OpPtr op, std::vector<std::size_t> inputs = {}) {
        if (inputs.empty()) inputs = {last};
        return last = net.add(std::move(op), std::move(inputs));
    };
    const auto value = [&] { return net.value(last); };
    const auto vector = reals(192, 1), square = reals(70 * 70, 2);
    const Floats seventy(vector.data(), 70), all(vector);
    const auto bits = [](std::size_t outs, std::size_t taps, std::size_t in) {
        return filters(outs * taps, in, 4);
    };

    const std::size_t kept = add(make_relu(value()));
    add(make_conv(value(), square, {}, 70, point, 1, 0), {0});
    add(make_add(value(), value()), {last, kept});
    add(make_max_pool(value(), three));
    const std::size_t sum = add(make_add(value(), value()), {kept, last});
    add(make_sign(value(), seventy, {}, 1));
    add(make_binary_conv(value(), bits(192, 9, 70), all, all, 192, three, 1, 0));
    const std::size_t signs = add(make_sign(value(), {}, {}, 2));
    const std::size_t left =
        add(make_binary_conv(value(), bits(192, 9, 96), {}, {}, 192, three, 2, -1));
    add(make_binary_conv(net.value(signs), bits(192, 9, 96), all, {}, 192, three, 2, 1), {signs});
    add(make_affine(value(), all, all));
    add(make_prelu(value(), all, all, {}));
    const std::size_t both = add(make_add(value(), value()), {last, left});
    add(make_scale_map(value(), all, {1, 1, 1, 192}));
    add(make_multiply(value(), value()), {both, last});
    add(make_max_pool(value(), half));
    add(make_sign(value(), all, bits(1, 1, 192), 1));
    add(make_binary_conv(value(), bits(70, 4, 192), {}, {}, 70, {{1, 2, 2}}, 1, 0));
    add(make_avg_pool(value(), three, false));
    add(make_conv(value(), square, seventy, 70, point, 1, 0));
    add(make_adaptive_avg_pool(value(), {1, 2, 3}));
    add(make_adaptive_avg_pool(net.value(sum), {1, 2, 3}), {sum});
    add(make_add(value(), value()), {last, last - 1});
    add(make_flatten(value()));
}

void a_fused_plan_equals_the_plan_that_stores_everything() {
    const Shape in{1, 37, 9, 70};
    Network whole(in), fused(in);
    add_what_is_fused(whole);
    add_what_is_fused(fused);
    constexpr std::size_t count = 24, n = 3;
    std::vector<std::size_t> every(count + 1);
    for (std::size_t v = 0; v <= count; ++v) every[v] = v;
    whole.finish(every);
    fused.finish({count, 17});
    CHECK(fused.arena_bytes() < whole.arena_bytes() / 2);
    const auto x = reals(n * in.size(), 7);
    std::vector<std::vector<float>> expected;
    std::vector<float*> places;
    for (const std::size_t v : every) expected.emplace_back(n * whole.value(v).shape.size());
    for (auto& values : expected) places.push_back(values.data());
    whole.run(x.data(), n, places, 1);
    for (const std::size_t threads : {1, 2, 5}) {
        for (const std::size_t images : {std::size_t{1}, n}) {
            std::vector<float> last(images * fused.value(count).shape.size());
            std::vector<float> pooled(images * fused.value(17).shape.size());
            float* const outs[] = {last.data(), pooled.data()};
            fused.run(x.data(), images, outs, threads);
            CHECK(std::equal(last.begin(), last.end(), expected[count].begin()));
            CHECK(std::equal(pooled.begin(), pooled.end(), expected[17].begin()));
        }
    }
}

// A picture that a file gives a depth of one, among planes that lie outside it.
void a_single_plane_is_convolved_like_any() {
    struct Volume {
        std::size_t channels;
        Triple kernel, stride, padding;
    };
    const Volume volumes[] = {
        {32, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}}, {32, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}},
        {32, {1, 3, 3}, {3, 1, 1}, {1, 1, 1}}, {32, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}},
        {3, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}},  {3, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}},
        {3, {1, 3, 3}, {3, 1, 1}, {1, 1, 1}},  {3, {2, 3, 3}, {1, 1, 1}, {1, 1, 1}},
    };
    for (const Volume& v : volumes) {
        const Shape in{1, 6, 7, v.channels};
        const Window window{v.kernel, v.stride, v.padding};
        const std::size_t size = window.taps() * v.channels, pixels = in.pixels();
        const auto weight = reals(5 * size, 1), x = reals(in.size(), 2);
        std::array<std::vector<float>, 2> got;
        Shape shape{};
        for (const bool keeps_image : {false, true}) {
            Network net(in);
            net.add(make_conv(net.value(0), weight, {}, 5, window, 1, 0), {0});
            shape = net.value(1).shape;
            got[keeps_image].resize(shape.size());
            std::vector<float> image(in.size());
            std::vector<float*> outs{got[keeps_image].data()};
            if (keeps_image) outs.push_back(image.data());
            net.finish(keeps_image ? std::vector<std::size_t>{1, 0} : std::vector<std::size_t>{1});
            net.run(x.data(), 1, outs, 1);
        }
        CHECK(got[0] == got[1]);
        for (std::size_t i = 0; i < shape.size(); ++i) {
            const std::size_t o = i / shape.pixels();
            double sum = 0, bound = 0;
            every_tap(window, in, place(i % shape.pixels(), shape),
                      [&](std::size_t tap, bool inside, std::size_t pixel) {
                          for (std::size_t c = 0; inside && c < v.channels; ++c) {
                              const double product = static_cast<double>(x[c * pixels + pixel]) *
                                                     weight[o * size + tap * v.channels + c];
                              sum += product;
                              bound += std::fabs(product);
                          }
                      });
            CHECK(std::fabs(got[0][i] - sum) <= 1e-6 * bound);
        }
    }
}

// Units that multiply matrices want their input in other forms, which could be far larger.
void long_and_dilated_windows_need_little_memory() {
    {
        const Shape in{1, 1, 16384, 32};
        Network net(in);
        net.add(make_relu(net.value(0)), {0});
        const std::vector<float> weight(1024 * 32);
        net.add(make_conv(net.value(1), weight, {}, 1, {{1, 1, 1024}}, 1, 0), {1});
        net.finish({2});
        CHECK(net.arena_bytes() < 3 * in.size() * sizeof(float));
    }
    {
        const Shape in{1, 64, 64, 512};
        Network net(in);
        net.add(make_sign(net.value(0), {}, {}, 1), {0});
        const Window window{{1, 3, 3}, {1, 1, 1}, {0, 36, 36}, {1, 36, 36}};
        const std::vector<std::uint8_t> weight(64 * 9 * 64);
        net.add(make_binary_conv(net.value(1), weight, {}, {}, 64, window, 1, -1), {1});
        net.finish({2});
        CHECK(net.arena_bytes() < 3'000'000);
    }
}

void a_network_that_could_not_be_finished_stays_so() {
    Network net({1, 30'000, 30'000, 1});
    const std::vector<float> weight(9);
    for (int i : {0, 1}) {
        net.add(make_conv(net.value(0), weight, {}, 1, {{1, 3, 3}}, 1, i), {0});
    }
    const auto refused = [&](auto call) {
        try {
            call();
        } catch (const std::invalid_argument&) {
            return true;
        }
        return false;
    };
    CHECK(refused([&] { net.level(); }));
    CHECK(refused([&] { net.finish({1, 2}); }));  // past the limit of memory
    CHECK(refused([&] { net.finish({1}); }));     // its weights are gone
    CHECK(refused([&] { net.level(); }));
}

// A thread that was not wanted for a job wakes up all the same, and must not take the next one
// twice.
void every_worker_of_a_job_is_called_once() {
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 2; ++caller) {
        callers.emplace_back([] {
            for (std::size_t job = 0; job < 300; ++job) {
                const Crew crew(job % 2 ? 2 : 8);
                std::array<std::atomic<int>, 8> calls{};
                crew.run([&](std::size_t worker) { ++calls[worker]; });
                for (std::size_t w = 0; w < 8; ++w) {
                    CHECK(calls[w] == (w < crew.workers() ? 1 : 0));
                }
            }
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
    constexpr std::size_t side = 1 << 16;
    CHECK(refused([] { Network({1, 1, 1, 0}); }));
    CHECK(refused([] { Network({0, 1, 1, 1}); }));
    CHECK(refused([] { Network({1, 1 << 17, 1, 1}); }));
    CHECK(refused([] { Network({1, side, side, 1 << 10}); }));
    CHECK(refused([] { Network({side, side, side, 1 << 24}); }));  // 2^72 numbers
    CHECK(refused([] {
        const Window window{{1, 3, 3}};
        const std::vector<float> weight(9);
        make_conv({Kind::real, {1, 2, 2, 1}}, weight, {}, 1, window, 1, 0);
    }));
    CHECK(refused([] {
        Network net({1, 1, 1, 1});
        net.add(make_upsample(net.value(0), {side, side, side}, {1, 1, 1}, Upsampling::linear),
                {0});
    }));
    CHECK(refused([] {  // the border wraps around to nothing in 64 bits
        constexpr std::size_t channels = 1 << 17, padding = (1 << 15) - 1;
        const std::vector<float> weight(channels);
        Network net({1, 1, 1, channels});
        const Window window{{1, 1, 1}, {side, side, side}, {padding, padding, padding}};
        net.add(make_conv(net.value(0), weight, {}, 1, window, 1, 0), {0});
        net.finish({1});
    }));
    CHECK(refused([] {
        make_concat(std::vector<Value>{{Kind::real, {1, 1, 2, 1}}, {Kind::real, {1, 2, 1, 1}}});
    }));
    CHECK(refused([] {
        make_upsample({Kind::real, {1, 1, 1, 1}}, {1, 1, 1}, {1, 1, -1}, Upsampling::nearest);
    }));
}

constexpr Test kTests[] = {
    {"runtime: binary convolutions equal the written sum",
     binary_convolutions_equal_the_written_sum},
    {"runtime: operators stay inside their memory", operators_stay_inside_their_memory},
    {"runtime: threads share a network and agree", threads_share_a_network_and_agree},
    {"runtime: a fused plan equals the plan that stores everything",
     a_fused_plan_equals_the_plan_that_stores_everything},
    {"runtime: a single plane is convolved like any", a_single_plane_is_convolved_like_any},
    {"runtime: long and dilated windows need little memory",
     long_and_dilated_windows_need_little_memory},
    {"runtime: a network that could not be finished stays so",
     a_network_that_could_not_be_finished_stays_so},
    {"runtime: every worker of a job is called once", every_worker_of_a_job_is_called_once},
    {"runtime: sizes past the limits are refused", sizes_past_the_limits_are_refused},
};

}  // namespace

std::span<const Test> runtime_tests() {
    return kTests;
}
