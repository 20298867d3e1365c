#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <optional>
#include <vector>

#include "../runtime/network.hpp"
#include "module.hpp"

namespace bitgrove::bindings {
namespace {

using namespace bitgrove::runtime;

using Pair = std::array<std::size_t, 2>;
using Vector = std::optional<In<float, 1>>;

Floats span_of(const Vector& v) {
    return v ? Floats(v->data(), v->size()) : Floats();
}

Window window_of(Pair kernel, Pair stride, Pair padding, Pair dilation) {
    Window w{};
    for (int axis : {0, 1}) {
        const auto limit = Network::max_side;
        require(kernel[axis] >= 1 && kernel[axis] <= limit, "kernel must be in 1 to 65536");
        require(stride[axis] >= 1 && stride[axis] <= limit, "stride must be in 1 to 65536");
        require(padding[axis] <= limit, "padding must be in 0 to 65536");
        require(dilation[axis] >= 1 && dilation[axis] <= limit, "dilation must be in 1 to 65536");
        w.kernel[axis] = kernel[axis];
        w.stride[axis] = stride[axis];
        w.padding[axis] = padding[axis];
        w.dilation[axis] = dilation[axis];
    }
    return w;
}

std::size_t conv2d(Network& net, std::size_t in, In<float, 4> weight, Vector bias, Pair stride,
                   Pair padding, Pair dilation, std::size_t groups, int pad_value) {
    const Window window = window_of({weight.shape(1), weight.shape(2)}, stride, padding, dilation);
    return net.add(make_conv2d(net.value(in), Floats(weight.data(), weight.size()), span_of(bias),
                               weight.shape(0), window, groups, pad_value),
                   {in});
}

std::size_t binary_conv2d(Network& net, std::size_t in, In<std::uint8_t, 4> weight, Vector scale,
                          Vector bias, Pair stride, Pair padding, Pair dilation, std::size_t groups,
                          int pad_value) {
    const Window window = window_of({weight.shape(1), weight.shape(2)}, stride, padding, dilation);
    return net.add(
        make_binary_conv2d(net.value(in), Bytes(weight.data(), weight.size()), span_of(scale),
                           span_of(bias), weight.shape(0), window, groups, pad_value),
        {in});
}

void run(const Network& net, In<float, 4> x, std::vector<std::size_t> outputs,
         std::vector<Out<float, 4>> outs, std::size_t threads) {
    const Shape& in = net.value(0).shape;
    require(x.shape(1) == in.c && x.shape(2) == in.h && x.shape(3) == in.w,
            "[run] x must have the shape (n, c, h, w) that the network was built for");
    require(outputs == net.outputs(), "[run] outputs must be those that finish() was given");
    require(outs.size() == outputs.size(), "[run] one array per output is needed");
    std::vector<float*> targets;
    for (std::size_t i = 0; i < outs.size(); ++i) {
        const Shape& s = net.value(outputs[i]).shape;
        require(outs[i].shape(0) == x.shape(0) && outs[i].shape(1) == s.c &&
                    outs[i].shape(2) == s.h && outs[i].shape(3) == s.w,
                "[run] an output array has the wrong shape");
        targets.push_back(outs[i].data());
    }
    nb::gil_scoped_release nogil;
    net.run(x.data(), x.shape(0), targets, threads);
}

}  // namespace

void bind_runtime(nb::module_& m) {
    nb::class_<Network>(m, "Network")
        .def(
            "__init__",
            [](Network* self, std::size_t channels, std::size_t height, std::size_t width) {
                new (self) Network(Shape{height, width, channels});
            },
            "channels"_a, "height"_a, "width"_a)
        .def("conv2d", &conv2d, "input"_a, "weight"_a.noconvert(), "bias"_a.noconvert().none(),
             "stride"_a, "padding"_a, "dilation"_a, "groups"_a, "pad_value"_a)
        .def(
            "sign",
            [](Network& net, std::size_t in, Vector threshold,
               std::optional<In<std::uint8_t, 1>> flip, std::size_t groups) {
                const Bytes flips = flip ? Bytes(flip->data(), flip->size()) : Bytes();
                return net.add(make_sign(net.value(in), span_of(threshold), flips, groups), {in});
            },
            "input"_a, "threshold"_a.noconvert().none(), "flip"_a.noconvert().none(), "groups"_a)
        .def("binary_conv2d", &binary_conv2d, "input"_a, "weight"_a.noconvert(),
             "scale"_a.noconvert().none(), "bias"_a.noconvert().none(), "stride"_a, "padding"_a,
             "dilation"_a, "groups"_a, "pad_value"_a)
        .def(
            "affine",
            [](Network& net, std::size_t in, In<float, 1> scale, In<float, 1> bias) {
                return net.add(make_affine(net.value(in), Floats(scale.data(), scale.size()),
                                           Floats(bias.data(), bias.size())),
                               {in});
            },
            "input"_a, "scale"_a.noconvert(), "bias"_a.noconvert())
        .def(
            "scale_map",
            [](Network& net, std::size_t in, In<float, 3> map) {
                return net.add(make_scale_map(net.value(in), Floats(map.data(), map.size())), {in});
            },
            "input"_a, "map"_a.noconvert())
        .def(
            "prelu",
            [](Network& net, std::size_t in, In<float, 1> slope) {
                return net.add(make_prelu(net.value(in), Floats(slope.data(), slope.size())), {in});
            },
            "input"_a, "slope"_a.noconvert())
        .def(
            "add",
            [](Network& net, std::size_t a, std::size_t b) {
                return net.add(make_add(net.value(a), net.value(b)), {a, b});
            },
            "a"_a, "b"_a)
        .def(
            "multiply",
            [](Network& net, std::size_t a, std::size_t b) {
                return net.add(make_multiply(net.value(a), net.value(b)), {a, b});
            },
            "a"_a, "b"_a)
        .def("relu", [](Network& n, std::size_t in) { return n.add(make_relu(n.value(in)), {in}); })
        .def("binarise",
             [](Network& n, std::size_t in) { return n.add(make_binarise(n.value(in)), {in}); })
        .def("hardtanh",
             [](Network& n, std::size_t in) { return n.add(make_hardtanh(n.value(in)), {in}); })
        .def("flatten",
             [](Network& n, std::size_t in) { return n.add(make_flatten(n.value(in)), {in}); })
        .def("global_avg_pool",
             [](Network& n, std::size_t in) {
                 return n.add(make_global_avg_pool(n.value(in)), {in});
             })
        .def(
            "max_pool2d",
            [](Network& net, std::size_t in, Pair kernel, Pair stride, Pair padding) {
                const Window window = window_of(kernel, stride, padding, {1, 1});
                return net.add(make_max_pool2d(net.value(in), window), {in});
            },
            "input"_a, "kernel"_a, "stride"_a, "padding"_a)
        .def(
            "avg_pool2d",
            [](Network& net, std::size_t in, Pair kernel, Pair stride, Pair padding,
               bool count_padding) {
                const Window window = window_of(kernel, stride, padding, {1, 1});
                return net.add(make_avg_pool2d(net.value(in), window, count_padding), {in});
            },
            "input"_a, "kernel"_a, "stride"_a, "padding"_a, "count_padding"_a)
        .def(
            "input_scale",
            [](Network& net, std::size_t in, Pair kernel, Pair stride, Pair padding, Pair dilation,
               std::size_t groups) {
                const Window window = window_of(kernel, stride, padding, dilation);
                return net.add(make_input_scale(net.value(in), window, groups), {in});
            },
            "input"_a, "kernel"_a, "stride"_a, "padding"_a, "dilation"_a, "groups"_a)
        .def("shape",
             [](const Network& net, std::size_t number) {
                 const Shape& s = net.value(number).shape;
                 return std::array<std::size_t, 3>{s.c, s.h, s.w};
             })
        .def("finish", &Network::finish, "outputs"_a)
        .def_prop_ro("arena_bytes", &Network::arena_bytes)
        .def("run", &run, "x"_a.noconvert(), "outputs"_a, "outs"_a, "threads"_a);
}

}  // namespace bitgrove::bindings
