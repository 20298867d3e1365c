#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "../dispatch/table.hpp"
#include "../graph/parallel.hpp"
#include "module.hpp"

namespace bitgrove::bindings {
namespace {

void require(bool condition, const char* what) {
    if (!condition) throw std::invalid_argument(what);
}

void pack_signs(In<float, 2> x, Out<std::uint64_t, 2> out) {
    require(out.shape(0) == x.shape(0) && out.shape(1) == words_for(x.shape(1)),
            "[pack_signs] out must have shape (rows, ceil(cols / 64))");
    nb::gil_scoped_release nogil;
    active().pack_signs(x.data(), x.shape(0), x.shape(1), x.shape(1), nullptr, nullptr, out.data(),
                        out.shape(1));
}

void hamming(In<std::uint64_t, 2> a, In<std::uint64_t, 2> b, Out<std::int32_t, 2> out) {
    require(a.shape(1) == b.shape(1), "[hamming] a and b must have rows of equal width");
    require(out.shape(0) == a.shape(0) && out.shape(1) == b.shape(0),
            "[hamming] out must have shape (rows of a, rows of b)");
    nb::gil_scoped_release nogil;
    active().hamming(a.data(), a.shape(0), b.data(), b.shape(0), a.shape(1), out.data());
}

// Blocks large enough that a thread is started for no less than a few hundred microseconds of work.
template <typename Work>
void in_blocks(std::size_t n, std::size_t threads, Work work) {
    constexpr std::size_t block = std::size_t{1} << 19;
    nb::gil_scoped_release nogil;
    graph::parallel_blocks(
        n, block, threads, "", {},
        [&](std::size_t begin, std::size_t end, auto) { work(begin, end - begin); });
}

void signs(In<float, 1> x, Out<float, 1> out, std::size_t threads) {
    require(out.size() == x.size(), "[signs] out must have the shape of x");
    const SignKernels& kernels = active().sign;
    in_blocks(x.size(), threads, [&](std::size_t at, std::size_t n) {
        kernels.signs(x.data() + at, n, out.data() + at);
    });
}

void approx_gradient(In<float, 1> gradient, In<float, 1> x, Out<float, 1> out,
                     std::size_t threads) {
    require(gradient.size() == x.size() && out.size() == x.size(),
            "[approx_gradient] gradient and out must have the shape of x");
    const SignKernels& kernels = active().sign;
    in_blocks(x.size(), threads, [&](std::size_t at, std::size_t n) {
        kernels.approx(gradient.data() + at, x.data() + at, n, out.data() + at);
    });
}

// The speed limit of a walk on a graph: distances to rows whose numbers are known ahead, so that a
// few are on their way from memory while those before are measured.
void fetch_and_measure(In<std::uint8_t, 1> point, In<std::uint8_t, 2> table,
                       In<std::uint32_t, 1> rows, Out<std::uint32_t, 1> out) {
    const std::size_t count = rows.shape(0), bytes = table.shape(1);
    require(point.shape(0) == bytes && out.shape(0) == count,
            "[fetch_and_measure] point must be a row of the table, out as long as rows");
    for (std::size_t i = 0; i < count; ++i) {
        require(rows.data()[i] < table.shape(0), "[fetch_and_measure] rows must be in the table");
    }
    nb::gil_scoped_release nogil;
    constexpr std::size_t block = 16;
    const DistanceRowsFn measure = active().distance_rows.l2_u8;
    for (std::size_t i = 0; i < count; i += block) {
        for (std::size_t j = i + block; j < std::min(count, i + 2 * block); ++j) {
            const std::uint8_t* row = table.data() + rows.data()[j] * bytes;
            for (std::size_t b = 0; b < bytes; b += 64) __builtin_prefetch(row + b);
        }
        measure(point.data(), table.data(), bytes, rows.data() + i, std::min(block, count - i),
                bytes, out.data() + i);
    }
}

// The best of as many short runs as fit.
double popcount_peak(double seconds) {
    require(seconds > 0 && seconds <= 60, "[popcount_peak] seconds must be in 0 to 60");
    using Clock = std::chrono::steady_clock;
    const nb::gil_scoped_release nogil;
    constexpr std::size_t rounds = 20000;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    std::uint64_t kept = 1;
    double best = 0;
    do {
        const auto before = Clock::now();
        const double macs = active().popcount_peak(rounds, &kept);
        const std::chrono::duration<double> took = Clock::now() - before;
        best = std::max(best, macs / took.count());
    } while (Clock::now() < end);
    return best;
}

// The best of as many passes as fit. One number of each line is asked for: the line comes whole.
double read_peak(std::size_t bytes, double seconds) {
    require(bytes >= 4096, "[read_peak] bytes must be at least 4096");
    require(seconds > 0 && seconds <= 60, "[read_peak] seconds must be in 0 to 60");
    using Clock = std::chrono::steady_clock;
    const nb::gil_scoped_release nogil;
    constexpr std::size_t line = 8, lines = 8;
    const std::vector<std::uint64_t> memory(bytes / 8 / (line * lines) * (line * lines), 1);
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    double best = 0;
    do {
        const auto before = Clock::now();
        std::uint64_t sums[lines] = {};
        for (std::size_t i = 0; i < memory.size(); i += line * lines) {
            for (std::size_t j = 0; j < lines; ++j) sums[j] += memory[i + j * line];
        }
        for (const auto& sum : sums) asm volatile("" : : "g"(sum));
        const std::chrono::duration<double> took = Clock::now() - before;
        best = std::max(best, static_cast<double>(8 * memory.size()) / took.count());
    } while (Clock::now() < end);
    return best;
}

}  // namespace

void bind_kernels(nb::module_& m) {
    m.def("simd_levels", [] {
        std::vector<std::string> names;
        for (const Kernels& row : available()) names.emplace_back(row.name);
        return names;
    });
    m.def("simd_level", [] { return std::string(active().name); });
    m.def("set_simd_level", [](std::string_view name) { set_level(name); }, "name"_a);
    m.def(
        "fetch_and_measure", &fetch_and_measure, "point"_a.noconvert(), "table"_a.noconvert(),
        "rows"_a.noconvert(), "out"_a.noconvert(),
        "Squared l2 from a point to rows of the table, fetched ahead: the limit of a graph walk.");
    m.def("popcount_peak", &popcount_peak, "seconds"_a,
          "Products of two signs in a second at best, of one thread at the level in use.");
    m.def("read_peak", &read_peak, "bytes"_a, "seconds"_a,
          "Bytes in a second at best, of one thread that reads so many in order, again and again.");
    m.def("pack_signs", &pack_signs, "x"_a.noconvert(), "out"_a.noconvert());
    m.def("hamming", &hamming, "a"_a.noconvert(), "b"_a.noconvert(), "out"_a.noconvert());
    m.def("signs", &signs, "x"_a.noconvert(), "out"_a.noconvert(), "threads"_a);
    m.def("approx_gradient", &approx_gradient, "gradient"_a.noconvert(), "x"_a.noconvert(),
          "out"_a.noconvert(), "threads"_a);
}

}  // namespace bitgrove::bindings
