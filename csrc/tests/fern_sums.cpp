// Ferns against loops, at every level, on memory that ends where they must stop.
#include "bitgrove/fern_sums.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "../dispatch/table.hpp"
#include "../graph/random.hpp"
#include "../runtime/aligned.hpp"
#include "../runtime/network.hpp"
#include "check.hpp"

namespace {

using namespace bitgrove;
using graph::Random;
using runtime::allocate;

struct Case {
    std::size_t ferns, depth, positions, outs;
};

const Case cases[] = {{1, 1, 1, 1},    {3, 4, 16, 33},  {12, 4, 64, 64},  {13, 4, 65, 7},
                      {12, 4, 150, 5}, {5, 5, 70, 100}, {6, 6, 33, 12},   {2, 7, 80, 3},
                      {3, 8, 17, 32},  {7, 2, 200, 31}, {300, 4, 20, 40}, {260, 3, 40, 2}};

struct Made {
    Made(const Case& c, Random& random) : c(c), words((c.positions + 63) / 64) {
        bits.resize(c.ferns * c.depth * words);
        for (std::uint64_t& word : bits) word = random.next();
        table.resize((c.ferns << c.depth) * c.outs);
        for (std::int8_t& x : table) x = static_cast<std::int8_t>(random.below(255)) - 127;
        for (std::size_t t = 0; t < c.ferns * c.depth; ++t) {
            planes.push_back(t % 5 == 3 ? nullptr : bits.data() + t * words);
        }
    }
    std::int32_t sum(std::size_t x, std::size_t o) const {
        std::int32_t total = 0;
        for (std::size_t f = 0; f < c.ferns; ++f) {
            std::size_t row = 0;
            for (std::size_t k = 0; k < c.depth; ++k) {
                const std::uint64_t* plane = planes[f * c.depth + k];
                if (plane) row |= (plane[x / 64] >> x % 64 & 1) << k;
            }
            total += table[((f << c.depth) + row) * c.outs + o];
        }
        return total;
    }
    Case c;
    std::size_t words;
    std::vector<std::uint64_t> bits;
    std::vector<std::int8_t> table;
    std::vector<const std::uint64_t*> planes;
};

void sums_are_those_of_the_loops() {
    Random random(1);
    for (const Kernels& level : available()) {
        const FernSumsKernels& kernels = *level.fern_sums;
        for (const Case& c : cases) {
            const Made made(c, random);
            const auto addresses = allocate(kernels.address_bytes(c.ferns, c.positions));
            auto* bytes = reinterpret_cast<std::uint8_t*>(addresses.get());
            kernels.addresses(made.planes.data(), c.ferns, c.depth, c.positions, bytes);
            const FernSums sums{bytes, c.ferns, c.depth, c.positions};

            const std::size_t row = (c.outs + 31) / 32 * 32;
            std::vector<std::int16_t> rows((c.ferns << c.depth) * row);
            for (std::size_t i = 0; i < c.ferns << c.depth; ++i) {
                std::copy_n(made.table.data() + i * c.outs, c.outs, rows.data() + i * row);
            }
            std::vector<float> scale(row, 0.5f), bias(row, 3.0f);
            const std::size_t first = c.positions / 3, count = c.positions - first;
            const std::unique_ptr<float[]> out(new float[(count - 1) * (c.outs + 2) + c.outs]);
            kernels.rows({sums, first, count, rows.data(), row, c.outs, scale.data(), bias.data(),
                          out.get(), c.outs + 2});
            for (std::size_t x = 0; x < count; ++x) {
                for (std::size_t o = 0; o < c.outs; ++o) {
                    const auto sum = static_cast<float>(made.sum(first + x, o));
                    CHECK(out[x * (c.outs + 2) + o] == sum * 0.5f + 3.0f);
                }
            }

            for (std::size_t o = 0; o < c.outs; o += 3) {
                std::vector<std::int8_t> own;
                for (std::size_t i = 0; i < c.ferns << c.depth; ++i) {
                    own.push_back(made.table[i * c.outs + o]);
                }
                const auto packed = allocate(kernels.table_bytes(c.ferns, c.depth));
                auto* table = reinterpret_cast<std::int8_t*>(packed.get());
                kernels.pack_table(own.data(), c.ferns, c.depth, table);
                const std::int32_t thresholds[] = {made.sum(0, o),
                                                   made.sum(c.positions - 1, o) + 1,
                                                   -40000,
                                                   40000,
                                                   std::numeric_limits<std::int32_t>::min(),
                                                   std::numeric_limits<std::int32_t>::max()};
                std::vector<std::uint64_t> bits(std::size(thresholds) * made.words, ~0ull);
                kernels.compare(
                    {sums, table, std::size(thresholds), thresholds, bits.data(), made.words});
                for (std::size_t k = 0; k < std::size(thresholds); ++k) {
                    for (std::size_t x = 0; x < made.words * 64; ++x) {
                        const bool bit = bits[k * made.words + x / 64] >> x % 64 & 1;
                        CHECK(bit == (x < c.positions && made.sum(x, o) >= thresholds[k]));
                    }
                }
            }
        }
    }
}

void comparisons_read_what_they_count() {
    Random random(2);
    for (const Kernels& level : available()) {
        for (std::size_t step = 1; step <= 4; ++step) {
            for (const std::size_t count : {0, 1, 15, 16, 17, 63, 64, 65, 130}) {
                const std::size_t size = count ? (count - 1) * step + 1 : 0;
                const std::unique_ptr<float[]> x(new float[size]);
                for (std::size_t i = 0; i < size; ++i) {
                    x[i] = static_cast<float>(random.below(5)) - 2;
                }
                const std::size_t words = (count + 63) / 64;
                const std::unique_ptr<std::uint64_t[]> bits(new std::uint64_t[words]);
                std::fill_n(bits.get(), words, ~0ull);
                level.fern_sums->above(x.get(), step, count, 1.0f, bits.get());
                for (std::size_t i = 0; i < words * 64; ++i) {
                    const bool bit = bits[i / 64] >> i % 64 & 1;
                    CHECK(bit == (i < count && x[i * step] >= 1.0f));
                }
            }
        }
    }
}

// Of the image, of ferns, and of tiles, in one network; what they compute is tested from Python.
void ferns_stay_inside_their_memory() {
    using namespace runtime;
    Random random(3);
    const std::string before = active().name;
    for (const Kernels& level : available()) {
        set_level(level.name);
        for (const std::size_t side : {3, 31, 66}) {
            for (const std::size_t stride : {1, 2, 3}) {
                Network net({1, 5, side, 4});
                const Window window{{1, 3, 3}, {1, stride, stride}, {0, 2, 2}};
                std::size_t value = 0;
                for (const std::size_t outs : {6, 10, 3}) {
                    const std::size_t channels = net.value(value).shape.c;
                    std::vector<std::int32_t> place;
                    std::vector<float> threshold;
                    for (std::size_t t = 0; t < 3 * 4; ++t) {
                        place.push_back(static_cast<std::int32_t>(random.below(channels * 9)));
                        threshold.push_back(static_cast<float>(random.below(9)) - 4);
                    }
                    std::vector<std::int8_t> table(3 * 16 * outs);
                    for (std::int8_t& x : table) {
                        x = static_cast<std::int8_t>(random.below(255)) - 127;
                    }
                    const std::uint8_t bits[] = {0x5a, 0x30};
                    if (outs == 3) value = net.add(make_relu(net.value(value)), {value});
                    value = net.add(make_fern_conv(net.value(value),
                                                   {.depth = 4,
                                                    .place = place,
                                                    .threshold = threshold,
                                                    .flip = bits,
                                                    .outside = bits,
                                                    .table = table,
                                                    .scale = {},
                                                    .bias = {}},
                                                   outs, window, 1),
                                    {value});
                }
                net.finish({value});
                std::vector<float> x(net.value(0).shape.size());
                for (float& number : x) number = static_cast<float>(random.below(9)) - 4;
                std::vector<float> got(net.value(value).shape.size());
                float* const outs[] = {got.data()};
                net.run(x.data(), 1, outs, 2);
                CHECK(std::ranges::all_of(got, [](float y) { return y >= -381 && y <= 381; }));
            }
        }
    }
    set_level(before);
}

}  // namespace

std::span<const Test> fern_sums_tests() {
    static const Test tests[] = {
        {"sums of ferns are those of the loops", sums_are_those_of_the_loops},
        {"comparisons of ferns read what they count", comparisons_read_what_they_count},
        {"ferns stay inside their memory", ferns_stay_inside_their_memory},
    };
    return tests;
}
