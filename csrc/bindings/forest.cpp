// A forest on rows of numbers, without a network around it.
#include "../runtime/forest.hpp"

#include <nanobind/stl/optional.h>

#include <atomic>
#include <optional>

#include "../runtime/crew.hpp"
#include "module.hpp"

namespace bitgrove::bindings {
namespace {

using namespace bitgrove::runtime;

Forest made(std::size_t channels, In<std::int32_t, 1> feature, In<float, 1> threshold,
            In<std::int32_t, 2> children, In<std::int32_t, 1> root, In<float, 2> leaf,
            std::optional<In<float, 1>> bias, std::optional<In<std::uint8_t, 1>> missing) {
    require(children.shape(1) == 2, "children must have shape (nodes, 2)");
    require(channels < std::size_t{1} << 25, "a forest has fewer than 2^25 columns");
    Trees trees{.feature = {feature.data(), feature.size()},
                .threshold = {threshold.data(), threshold.size()},
                .children = {children.data(), children.size()},
                .root = {root.data(), root.size()},
                .leaf = {leaf.data(), leaf.size()},
                .bias = {},
                .missing = {},
                .outs = leaf.shape(1)};
    if (bias) trees.bias = {bias->data(), bias->size()};
    if (missing) trees.missing = {missing->data(), missing->size()};
    return Forest(trees, channels, active());
}

struct Rows {
    Forest forest;
    std::size_t channels;
};

void run(const Rows& self, In<float, 2> x, Out<float, 2> out, std::size_t threads) {
    const std::size_t rows = x.shape(0), outs = self.forest.outs();
    require(x.shape(1) == self.channels, "[run] x must have one column per feature");
    require(out.shape(0) == rows && out.shape(1) == outs, "[run] out must have shape (n, outs)");
    const float* from = x.data();
    float* to = out.data();
    nb::gil_scoped_release nogil;
    constexpr std::size_t turn = kForestRows;
    if (threads == 1 || rows <= turn) {
        const Aligned room = allocate(self.forest.room_bytes());
        self.forest.run(from, self.channels, rows, to, outs, room.get());
        return;
    }
    const Crew crew(std::min(threads, (rows + turn - 1) / turn));
    const std::size_t bytes = whole_lines(self.forest.room_bytes());
    const Aligned room = allocate(crew.workers() * bytes);
    std::atomic<std::size_t> next{0};
    crew.run([&](std::size_t worker) {
        for (std::size_t row; (row = next.fetch_add(turn)) < rows;) {
            self.forest.run(from + row * self.channels, self.channels, std::min(turn, rows - row),
                            to + row * outs, outs, room.get() + worker * bytes);
        }
    });
}

}  // namespace

void bind_forest(nb::module_& m) {
    nb::class_<Rows>(m, "Forest")
        .def(
            "__init__",
            [](Rows* self, std::size_t channels, In<std::int32_t, 1> feature,
               In<float, 1> threshold, In<std::int32_t, 2> children, In<std::int32_t, 1> root,
               In<float, 2> leaf, std::optional<In<float, 1>> bias,
               std::optional<In<std::uint8_t, 1>> missing) {
                new (self)
                    Rows{made(channels, feature, threshold, children, root, leaf, bias, missing),
                         channels};
            },
            "channels"_a, "feature"_a.noconvert(), "threshold"_a.noconvert(),
            "children"_a.noconvert(), "root"_a.noconvert(), "leaf"_a.noconvert(),
            "bias"_a.noconvert().none(), "missing"_a.noconvert().none())
        .def_prop_ro("layout", [](const Rows& self) { return self.forest.layout(); })
        .def_prop_ro("bytes", [](const Rows& self) { return self.forest.bytes(); })
        .def("run", &run, "x"_a.noconvert(), "out"_a.noconvert(), "threads"_a);
}

}  // namespace bitgrove::bindings
