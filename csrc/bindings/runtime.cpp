// The packed network.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <vector>

#include "../runtime/sides.hpp"
#include "module.hpp"

namespace bitgrove::bindings {
namespace {

using namespace bitgrove::runtime;

template <typename T>
using Tensor = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
using Vector = std::optional<In<float, 1>>;
using Bits = std::optional<In<std::uint8_t, 1>>;

Floats span_of(const Vector& v) {
    return v ? Floats(v->data(), v->size()) : Floats();
}

Bytes span_of(const Bits& v) {
    return v ? Bytes(v->data(), v->size()) : Bytes();
}

template <typename T>
Sides shape_of(const Tensor<T>& array) {
    Sides shape;
    for (std::size_t i = 0; i < array.ndim(); ++i) shape.push_back(array.shape(i));
    return shape;
}

std::size_t conv(SidedNetwork& net, std::size_t in, const Tensor<float>& weight, const Vector& bias,
                 const Sides& stride, const Sides& padding, const Sides& dilation,
                 std::size_t groups, int pad_value) {
    const Window window = net.window_of_weight(shape_of(weight), stride, padding, dilation);
    return net.add(make_conv(net.value(in), Floats(weight.data(), weight.size()), span_of(bias),
                             weight.shape(0), window, groups, pad_value),
                   {in});
}

std::size_t binary_conv(SidedNetwork& net, std::size_t in, const Tensor<std::uint8_t>& weight,
                        const Vector& scale, const Vector& bias, const Sides& stride,
                        const Sides& padding, const Sides& dilation, std::size_t groups,
                        int pad_value) {
    const Window window = net.window_of_weight(shape_of(weight), stride, padding, dilation);
    return net.add(
        make_binary_conv(net.value(in), Bytes(weight.data(), weight.size()), span_of(scale),
                         span_of(bias), weight.shape(0), window, groups, pad_value),
        {in});
}

std::size_t binary_weight_conv(SidedNetwork& net, std::size_t in,
                               const Tensor<std::uint8_t>& weight, const Vector& scale,
                               const Vector& bias, const Sides& stride, const Sides& padding,
                               const Sides& dilation, std::size_t groups, int pad_value) {
    const Window window = net.window_of_weight(shape_of(weight), stride, padding, dilation);
    return net.add(
        make_binary_weight_conv(net.value(in), Bytes(weight.data(), weight.size()), span_of(scale),
                                span_of(bias), weight.shape(0), window, groups, pad_value),
        {in});
}

std::size_t byte_conv(SidedNetwork& net, std::size_t in, const Tensor<std::int8_t>& weight,
                      const In<float, 1>& scale, const Vector& bias, const Sides& stride,
                      const Sides& padding, const Sides& dilation, std::size_t groups, float step,
                      int zero) {
    const Window window = net.window_of_weight(shape_of(weight), stride, padding, dilation);
    return net.add(make_byte_conv(net.value(in), std::span(weight.data(), weight.size()),
                                  Floats(scale.data(), scale.size()), span_of(bias),
                                  weight.shape(0), window, groups, step, zero),
                   {in});
}

std::size_t fern_conv(SidedNetwork& net, std::size_t in, const In<std::int32_t, 1>& place,
                      const In<float, 1>& threshold, const Bits& flip, const Bits& outside,
                      const In<std::int8_t, 4>& table, const Vector& scale, const Vector& bias,
                      const Sides& kernel, const Sides& stride, const Sides& padding,
                      const Sides& dilation) {
    return net.add_ferns(in,
                         {.place = std::span(place.data(), place.size()),
                          .threshold = Floats(threshold.data(), threshold.size()),
                          .flip = span_of(flip),
                          .outside = span_of(outside),
                          .table = std::span(table.data(), table.size()),
                          .scale = span_of(scale),
                          .bias = span_of(bias)},
                         {table.shape(0), table.shape(1), table.shape(2), table.shape(3)},
                         net.window(kernel, stride, padding, dilation));
}

std::size_t scale_map(SidedNetwork& net, std::size_t in, const Tensor<float>& map) {
    const Shape shape = net.shape_of_map(shape_of(map));
    return net.add(make_scale_map(net.value(in), Floats(map.data(), map.size()), shape), {in});
}

std::size_t concat(SidedNetwork& net, const Sides& inputs) {
    std::vector<Value> values;
    for (std::size_t in : inputs) values.push_back(net.value(in));
    return net.add(make_concat(values), inputs);
}

std::size_t upsample(SidedNetwork& net, std::size_t in, const Sides& size,
                     const std::vector<float>& step, const std::string& mode) {
    require(mode == "nearest" || mode == "linear", "mode must be 'nearest' or 'linear'");
    const auto kind = mode == "nearest" ? Upsampling::nearest : Upsampling::linear;
    return net.add(
        make_upsample(net.value(in), net.triple("size", size, 1, 1), net.triple(step, 1.0f), kind),
        {in});
}

std::size_t forest(SidedNetwork& net, std::size_t in, In<std::int32_t, 1> feature,
                   In<float, 1> threshold, In<std::int32_t, 2> children, In<std::int32_t, 1> root,
                   In<float, 2> leaf, const Vector& bias, const Bits& missing) {
    require(children.shape(1) == 2, "children must have shape (nodes, 2)");
    return net.add(make_forest(net.value(in), {.feature = {feature.data(), feature.size()},
                                               .threshold = {threshold.data(), threshold.size()},
                                               .children = {children.data(), children.size()},
                                               .root = {root.data(), root.size()},
                                               .leaf = {leaf.data(), leaf.size()},
                                               .bias = span_of(bias),
                                               .missing = span_of(missing),
                                               .outs = leaf.shape(1)}),
                   {in});
}

// Of a fern's table: `leaf`, or `codes` and their scale.
std::size_t ferns(SidedNetwork& net, std::size_t in, const In<std::int32_t, 2>& feature,
                  const std::optional<In<std::int32_t, 2>>& other,
                  const std::optional<In<float, 2>>& threshold,
                  const std::optional<In<float, 2>>& leaf,
                  const std::optional<In<std::int8_t, 2>>& codes, const Vector& scale,
                  const Vector& bias) {
    require(leaf.has_value() != codes.has_value(), "either leaf or codes must be there");
    require(codes.has_value() || !scale, "scale belongs to codes, not to leaf");
    const auto same = [&](const auto& array) {
        return !array ||
               (array->shape(0) == feature.shape(0) && array->shape(1) == feature.shape(1));
    };
    require(same(other) && same(threshold), "other and threshold must have the shape of feature");
    using Numbers = std::span<const std::int32_t>;
    const FernTable table{
        .depth = feature.shape(1),
        .feature = Numbers(feature.data(), feature.size()),
        .other = other ? Numbers(other->data(), other->size()) : Numbers(),
        .threshold = threshold ? Floats(threshold->data(), threshold->size()) : Floats(),
        .bias = span_of(bias)};
    if (leaf) {
        return net.add(make_ferns(net.value(in), table, Floats(leaf->data(), leaf->size())), {in});
    }
    return net.add(
        make_ferns(net.value(in), table, std::span(codes->data(), codes->size()), span_of(scale)),
        {in});
}

template <typename Array>
bool has_shape(const Array& array, std::size_t n, const Sides& sides) {
    bool same = array.ndim() == sides.size() + 1 && array.shape(0) == n;
    for (std::size_t i = 0; same && i < sides.size(); ++i) same = array.shape(i + 1) == sides[i];
    return same;
}

void run(const SidedNetwork& net, const Tensor<float>& x, const Sides& outputs,
         const std::vector<nb::ndarray<float, nb::numpy, nb::c_contig, nb::device::cpu>>& outs,
         std::size_t threads) {
    const std::size_t n = x.ndim() ? x.shape(0) : 0;
    require(has_shape(x, n, net.outside(0)),
            "[run] x must have the shape (n, c, sides) that the network was built for");
    require(outputs == net.outputs(), "[run] outputs must be those that finish() was given");
    require(outs.size() == outputs.size(), "[run] one array per output is needed");
    std::vector<float*> targets;
    for (std::size_t i = 0; i < outs.size(); ++i) {
        require(has_shape(outs[i], n, net.outside(outputs[i])),
                "[run] an output array has the wrong shape");
        targets.push_back(outs[i].data());
    }
    nb::gil_scoped_release nogil;
    net.run(x.data(), n, targets, threads);
}

// A list of (numbers of operators, seconds, binary MACs, real MACs, bytes), one for each stage.
nb::list profile(const SidedNetwork& net, const Tensor<float>& x, std::size_t repeats,
                 std::size_t threads) {
    require(has_shape(x, 1, net.outside(0)),
            "[profile] x must have the shape (1, c, sides) that the network was built for");
    require(repeats >= 1, "[profile] repeats must be at least 1");
    std::vector<StageProfile> stages;
    {
        nb::gil_scoped_release nogil;
        stages = net.profile(x.data(), repeats, threads);
    }
    nb::list out;
    for (const StageProfile& stage : stages) {
        out.append(nb::make_tuple(stage.operators, stage.seconds, stage.work.binary_macs,
                                  stage.work.real_macs, stage.bytes));
    }
    return out;
}

}  // namespace

void bind_runtime(nb::module_& m) {
    using Net = SidedNetwork;
    nb::class_<Net>(m, "Network")
        .def(nb::init<std::size_t, const Sides&>(), "channels"_a, "sides"_a)
        .def("conv", &conv, "input"_a, "weight"_a.noconvert(), "bias"_a.noconvert().none(),
             "stride"_a, "padding"_a, "dilation"_a, "groups"_a, "pad_value"_a)
        .def(
            "sign",
            [](Net& net, std::size_t in, const Vector& threshold, const Bits& flip,
               std::size_t groups) {
                return net.add(make_sign(net.value(in), span_of(threshold), span_of(flip), groups),
                               {in});
            },
            "input"_a, "threshold"_a.noconvert().none(), "flip"_a.noconvert().none(), "groups"_a)
        .def(
            "binarise",
            [](Net& net, std::size_t in, const Vector& threshold, const Bits& flip) {
                return net.add(make_binarise(net.value(in), span_of(threshold), span_of(flip)),
                               {in});
            },
            "input"_a, "threshold"_a.noconvert().none(), "flip"_a.noconvert().none())
        .def("binary_conv", &binary_conv, "input"_a, "weight"_a.noconvert(),
             "scale"_a.noconvert().none(), "bias"_a.noconvert().none(), "stride"_a, "padding"_a,
             "dilation"_a, "groups"_a, "pad_value"_a)
        .def("binary_weight_conv", &binary_weight_conv, "input"_a, "weight"_a.noconvert(),
             "scale"_a.noconvert().none(), "bias"_a.noconvert().none(), "stride"_a, "padding"_a,
             "dilation"_a, "groups"_a, "pad_value"_a)
        .def("byte_conv", &byte_conv, "input"_a, "weight"_a.noconvert(), "scale"_a.noconvert(),
             "bias"_a.noconvert().none(), "stride"_a, "padding"_a, "dilation"_a, "groups"_a,
             "step"_a, "zero"_a)
        .def(
            "affine",
            [](Net& net, std::size_t in, In<float, 1> scale, In<float, 1> bias) {
                return net.add(make_affine(net.value(in), Floats(scale.data(), scale.size()),
                                           Floats(bias.data(), bias.size())),
                               {in});
            },
            "input"_a, "scale"_a.noconvert(), "bias"_a.noconvert())
        .def("scale_map", &scale_map, "input"_a, "map"_a.noconvert())
        .def(
            "prelu",
            [](Net& net, std::size_t in, In<float, 1> slope, const Vector& before,
               const Vector& after) {
                return net.add(make_prelu(net.value(in), Floats(slope.data(), slope.size()),
                                          span_of(before), span_of(after)),
                               {in});
            },
            "input"_a, "slope"_a.noconvert(), "before"_a.noconvert().none(),
            "after"_a.noconvert().none())
        .def(
            "clip",
            [](Net& net, std::size_t in, float low, float high, float slope) {
                return net.add(make_clip(net.value(in), low, high, slope), {in});
            },
            "input"_a, "low"_a, "high"_a, "slope"_a)
        .def("fern_conv", &fern_conv, "input"_a, "place"_a.noconvert(), "threshold"_a.noconvert(),
             "flip"_a.noconvert().none(), "outside"_a.noconvert().none(), "table"_a.noconvert(),
             "scale"_a.noconvert().none(), "bias"_a.noconvert().none(), "kernel"_a, "stride"_a,
             "padding"_a, "dilation"_a)
        .def(
            "add",
            [](Net& net, std::size_t a, std::size_t b) {
                return net.add(make_add(net.value(a), net.value(b)), {a, b});
            },
            "a"_a, "b"_a)
        .def(
            "multiply",
            [](Net& net, std::size_t a, std::size_t b) {
                return net.add(make_multiply(net.value(a), net.value(b)), {a, b});
            },
            "a"_a, "b"_a)
        .def("concat", &concat, "inputs"_a)
        .def("relu", [](Net& n, std::size_t in) { return n.add(make_relu(n.value(in)), {in}); })
        .def("sigmoid",
             [](Net& n, std::size_t in) { return n.add(make_sigmoid(n.value(in)), {in}); })
        .def("flatten",
             [](Net& n, std::size_t in) { return n.add(make_flatten(n.value(in)), {in}); })
        .def(
            "max_pool",
            [](Net& net, std::size_t in, const Sides& kernel, const Sides& stride,
               const Sides& padding, bool ceil) {
                Window window = net.window(kernel, stride, padding);
                window.ceil = ceil;
                return net.add(make_max_pool(net.value(in), window), {in});
            },
            "input"_a, "kernel"_a, "stride"_a, "padding"_a, "ceil"_a)
        .def(
            "avg_pool",
            [](Net& net, std::size_t in, const Sides& kernel, const Sides& stride,
               const Sides& padding, bool ceil, bool count_padding) {
                Window window = net.window(kernel, stride, padding);
                window.ceil = ceil;
                return net.add(make_avg_pool(net.value(in), window, count_padding), {in});
            },
            "input"_a, "kernel"_a, "stride"_a, "padding"_a, "ceil"_a, "count_padding"_a)
        .def(
            "adaptive_avg_pool",
            [](Net& net, std::size_t in, const Sides& size) {
                const Triple cells = net.triple("size", size, 1, 1);
                return net.add(make_adaptive_avg_pool(net.value(in), cells), {in});
            },
            "input"_a, "size"_a)
        .def(
            "input_scale",
            [](Net& net, std::size_t in, const Sides& kernel, const Sides& stride,
               const Sides& padding, const Sides& dilation, std::size_t groups) {
                Window window = net.window(kernel, stride, padding);
                window.dilation = net.triple("dilation", dilation, 1, 1);
                return net.add(make_input_scale(net.value(in), window, groups), {in});
            },
            "input"_a, "kernel"_a, "stride"_a, "padding"_a, "dilation"_a, "groups"_a)
        .def("upsample", &upsample, "input"_a, "size"_a, "step"_a, "mode"_a)
        .def(
            "pad",
            [](Net& net, std::size_t in, const Sides& before, const Sides& after, float value) {
                return net.add(make_pad(net.value(in), net.triple("before", before, 0, 0),
                                        net.triple("after", after, 0, 0), value),
                               {in});
            },
            "input"_a, "before"_a, "after"_a, "value"_a)
        .def("forest", &forest, "input"_a, "feature"_a.noconvert(), "threshold"_a.noconvert(),
             "children"_a.noconvert(), "root"_a.noconvert(), "leaf"_a.noconvert(),
             "bias"_a.noconvert().none(), "missing"_a.noconvert().none())
        .def("ferns", &ferns, "input"_a, "feature"_a.noconvert(), "other"_a.noconvert().none(),
             "threshold"_a.noconvert().none(), "leaf"_a.noconvert().none(),
             "codes"_a.noconvert().none(), "scale"_a.noconvert().none(),
             "bias"_a.noconvert().none())
        .def("shape", &Net::outside, "number"_a)
        .def(
            "finish", [](Net& net, const Sides& outputs) { net.finish(outputs); }, "outputs"_a)
        .def_prop_ro("arena_bytes", [](const Net& net) { return net.arena_bytes(); })
        .def_prop_ro("level", &Net::level, "The SIMD level that finish() chose.")
        .def("profile", &profile, "x"_a.noconvert(), "repeats"_a, "threads"_a)
        .def("run", &run, "x"_a.noconvert(), "outputs"_a, "outs"_a, "threads"_a);
}

}  // namespace bitgrove::bindings
