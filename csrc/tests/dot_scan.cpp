// Widening and picking on numbers that end where the memory ends, and exact search on threads.
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

#include "../dispatch/table.hpp"
#include "../graph/random.hpp"
#include "../graph/walk/scan.hpp"
#include "bitgrove/half.hpp"
#include "check.hpp"
#include "fenced.hpp"

namespace {

using bitgrove::available;
using bitgrove::graph::Dtype;
using bitgrove::graph::Format;
using bitgrove::graph::Metric;
using bitgrove::graph::Random;
using bitgrove::graph::Rows;

void widening_is_exact_and_reads_no_further() {
    for (std::size_t n = 0; n < 70; ++n) {
        for (const bool at_end : {true, false}) {
            Fenced<std::uint8_t> bytes(n, at_end);
            Fenced<std::uint16_t> halves(n, at_end);
            Fenced<float> out(n, at_end);
            for (std::size_t i = 0; i < n; ++i) {
                bytes.data()[i] = static_cast<std::uint8_t>(255 - i);
                halves.data()[i] = static_cast<std::uint16_t>(i * 0x3c7 + n);  // all exponents
                if ((halves.data()[i] & 0x7c00) == 0x7c00) halves.data()[i] = 0x8001;
            }
            for (const auto& level : available()) {
                level.dot_scan->widen_u8(bytes.data(), n, out.data());
                for (std::size_t i = 0; i < n; ++i) CHECK(out.data()[i] == 255.0f - i);
                level.dot_scan->widen_f16(halves.data(), n, out.data());
                for (std::size_t i = 0; i < n; ++i) {
                    CHECK(out.data()[i] == bitgrove::half_to_float(halves.data()[i]));
                }
            }
        }
    }
}

void what_reaches_is_picked_in_order() {
    constexpr float inf = std::numeric_limits<float>::infinity();
    Random random(1);
    for (const std::size_t n : {16, 32, 80}) {
        constexpr std::size_t count = 7;
        Fenced<float> dots(count * n, true), rows(count, true), queries(n, true);
        for (auto* some : {&dots, &rows, &queries}) {
            for (std::size_t i = 0; i < some->size(); ++i) {
                some->data()[i] = static_cast<float>(random.below(9)) - 4;  // often equal
            }
        }
        queries.data()[3] = inf;
        queries.data()[5] = -inf;
        dots.data()[4] = std::nanf("");
        std::vector<std::uint32_t> expected;
        for (std::size_t i = 0; i < count * n; ++i) {
            const float least = rows.data()[i / n] + queries.data()[i % n];
            if (dots.data()[i] >= least) expected.push_back(static_cast<std::uint32_t>(i));
        }
        CHECK(!expected.empty() && expected.size() < count * n);
        for (const auto& level : available()) {
            std::vector<std::uint32_t> found(count * n);
            found.resize(level.dot_scan->reach(dots.data(), count, n, rows.data(), queries.data(),
                                               found.data()));
            CHECK(found == expected);
        }
    }
}

constexpr struct {
    Metric metric;
    Dtype dtype;
} kFormats[] = {
    {Metric::l2, Dtype::f32}, {Metric::l2, Dtype::f16}, {Metric::l2, Dtype::u8},
    {Metric::ip, Dtype::f32}, {Metric::ip, Dtype::u8},  {Metric::hamming, Dtype::bits},
};

// Small numbers of few kinds, so that there are ties.
std::vector<std::uint8_t> numbers(const Format& format, std::size_t count, Random& random) {
    std::vector<std::uint8_t> rows(count * format.row_bytes);
    for (std::size_t i = 0; i < count * format.row_bytes; ++i) {
        rows[i] = static_cast<std::uint8_t>(random.below(256));
    }
    for (std::size_t i = 0; format.dtype == Dtype::f32 && i < count * format.dim; ++i) {
        reinterpret_cast<float*>(rows.data())[i] = static_cast<float>(random.below(3)) - 1;
    }
    for (std::size_t i = 0; format.dtype == Dtype::f16 && i < count * format.dim; ++i) {
        reinterpret_cast<std::uint16_t*>(rows.data())[i] =
            static_cast<std::uint16_t>(random.below(4) << 12);
    }
    return rows;
}

struct Found {
    std::vector<float> distances;
    std::vector<std::int64_t> ids;
    bool operator==(const Found&) const = default;
};

Found search(const Rows& rows, const std::vector<std::uint8_t>& queries, std::size_t k,
             std::size_t threads, const bitgrove::graph::Tick& tick = {},
             const bitgrove::graph::Allowed& allowed = {}) {
    const std::size_t count = queries.size() / rows.format().row_bytes;
    Found found{std::vector<float>(count * k), std::vector<std::int64_t>(count * k)};
    bitgrove::graph::scan(
        rows, {queries.data(), count, k, threads, found.distances.data(), found.ids.data()}, tick,
        allowed);
    return found;
}

void threads_share_the_rows_and_find_the_same() {
    Random random(2);
    for (const auto& [metric, dtype] : kFormats) {
        const Format format = Format::of(metric, dtype, dtype == Dtype::bits ? 1024 : 40);
        Rows rows(format);
        constexpr std::size_t count = 4000;
        std::vector<std::int64_t> ids(count);
        for (std::size_t i = 0; i < count; ++i)
            ids[i] = static_cast<std::int64_t>(i * 7919 % count);
        rows.append(numbers(format, count, random).data(), count, ids.data());
        for (const std::size_t queries : {1, 30, 100}) {
            const auto asked = numbers(format, queries, random);
            const Found one = search(rows, asked, 10, 1);
            for (const std::size_t threads : {2, 3, 8}) {
                CHECK(search(rows, asked, 10, threads) == one);
            }
        }
    }
}

void a_tick_that_throws_stops_the_scan() {
    Random random(3);
    const Format format = Format::of(Metric::hamming, Dtype::bits, 256);
    Rows rows(format);
    rows.append(numbers(format, 40000, random).data(), 40000, nullptr);
    const auto asked = numbers(format, 5, random);
    for (const std::size_t threads : {1, 4}) {
        bool stopped = false;
        try {
            search(rows, asked, 10, threads, [&](std::size_t done, std::size_t total, const char*) {
                // One thread alone calls it in the middle, too.
                if (done < total || threads > 1) throw std::runtime_error("stop");
            });
        } catch (const std::runtime_error&) {
            stopped = true;
        }
        CHECK(stopped);
    }
}

// What is allowed is found as in an index that holds nothing else.
void rows_that_are_not_allowed_are_passed_over() {
    Random random(4);
    for (const auto& [metric, dtype] : kFormats) {
        const Format format = Format::of(metric, dtype, 24);
        constexpr std::size_t count = 900;
        const auto data = numbers(format, count, random);
        Rows all(format), few(format), first(format);
        all.append(data.data(), count, nullptr);
        first.append(data.data(), 300, nullptr);
        std::vector<std::uint8_t> flags(count);
        std::size_t held = 0;
        for (std::size_t r = 0; r < count; ++r) {
            const auto id = static_cast<std::int64_t>(r);
            flags[r] = random.below(10) == 0;
            if (flags[r]) few.append(data.data() + r * format.row_bytes, 1, &id), ++held;
        }
        const auto asked = numbers(format, 20, random);
        for (const std::size_t k : {std::size_t{5}, held + 3}) {
            bitgrove::graph::Allowed allowed;
            allowed.flags = flags.data();
            allowed.count = held;
            CHECK(search(all, asked, k, 1, {}, allowed) == search(few, asked, k, 1));
            allowed.flags = nullptr;  // the first rows alone
            allowed.limit = 300;
            CHECK(search(all, asked, k, 1, {}, allowed) == search(first, asked, k, 1));
        }
    }
}

constexpr Test kTests[] = {
    {"dot scan: widening is exact and reads no further", widening_is_exact_and_reads_no_further},
    {"dot scan: what reaches is picked, in order", what_reaches_is_picked_in_order},
    {"scan: threads share the rows and find the same", threads_share_the_rows_and_find_the_same},
    {"scan: rows that are not allowed are passed over", rows_that_are_not_allowed_are_passed_over},
    {"scan: a tick that throws stops it", a_tick_that_throws_stops_the_scan},
};

}  // namespace

std::span<const Test> dot_scan_tests() {
    return kTests;
}
