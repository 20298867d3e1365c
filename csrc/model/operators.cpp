// A row for each operator: what its nodes hold, and how they become an operator of the executor.
#include "node.hpp"

namespace bitgrove::model {
namespace {

using namespace bitgrove::runtime;
using Attributes = std::vector<std::pair<std::string_view, Attribute>>;

Attributes operator+(Attributes some, const Attributes& more) {
    some.insert(some.end(), more.begin(), more.end());
    return some;
}

const Attributes window{{"stride", Attribute::counts}, {"padding", Attribute::counts}};
const Attributes pool =
    window + Attributes{{"kernel", Attribute::counts}, {"ceil", Attribute::flag}};
const Attributes any_convolution =
    window + Attributes{{"dilation", Attribute::counts}, {"groups", Attribute::count}};
const Attributes convolution = any_convolution + Attributes{{"pad_value", Attribute::pad_value}};

constexpr Role real_weight{.name = "weight", .dimensions = 2, .sides = true};
constexpr Role packed_weight{
    .name = "weight", .stored = Stored::bits, .dimensions = 2, .sides = true};

constexpr Role required(std::string_view name) {
    return {.name = name};
}
constexpr Role optional(std::string_view name, Stored stored = Stored::real) {
    return {.name = name, .stored = stored, .optional = true};
}

using Net = SidedNetwork;

Window window_of(const Net& net, const Node& node) {
    return net.window_of_weight(node.shape("weight"), node.counts("stride"), node.counts("padding"),
                                node.counts("dilation"));
}

std::size_t conv(Net& net, const Node& node) {
    return net.add(make_conv(net.value(node.input()), node.floats("weight"), node.floats("bias"),
                             node.shape("weight")[0], window_of(net, node), node.count("groups"),
                             node.pad_value()),
                   {node.input()});
}

std::size_t binary_conv(Net& net, const Node& node) {
    return net.add(
        make_binary_conv(net.value(node.input()), node.bytes("weight"), node.floats("scale"),
                         node.floats("bias"), node.shape("weight")[0], window_of(net, node),
                         node.count("groups"), node.pad_value()),
        {node.input()});
}

std::size_t binary_weight_conv(Net& net, const Node& node) {
    return net.add(
        make_binary_weight_conv(net.value(node.input()), node.bytes("weight"), node.floats("scale"),
                                node.floats("bias"), node.shape("weight")[0], window_of(net, node),
                                node.count("groups"), node.pad_value()),
        {node.input()});
}

std::size_t byte_conv(Net& net, const Node& node) {
    return net.add(
        make_byte_conv(net.value(node.input()), node.signed_bytes("weight"), node.floats("scale"),
                       node.floats("bias"), node.shape("weight")[0], window_of(net, node),
                       node.count("groups"), node.number("step"),
                       static_cast<int>(node.count("zero"))),
        {node.input()});
}

std::size_t fern_conv(Net& net, const Node& node) {
    const auto place = node.integers("place");
    const auto threshold = node.floats("threshold"), scale = node.floats("scale"),
               bias = node.floats("bias");
    return net.add_ferns(node.input(),
                         {.place = place,
                          .threshold = threshold,
                          .flip = node.bytes("flip"),
                          .outside = node.bytes("outside"),
                          .table = node.signed_bytes("table"),
                          .scale = scale,
                          .bias = bias},
                         node.shape("table"),
                         net.window(node.counts("kernel"), node.counts("stride"),
                                    node.counts("padding"), node.counts("dilation")));
}

std::size_t sign(Net& net, const Node& node) {
    return net.add(make_sign(net.value(node.input()), node.floats("threshold"), node.bytes("flip"),
                             node.count("groups")),
                   {node.input()});
}

std::size_t binarise(Net& net, const Node& node) {
    return net.add(
        make_binarise(net.value(node.input()), node.floats("threshold"), node.bytes("flip")),
        {node.input()});
}

std::size_t affine(Net& net, const Node& node) {
    return net.add(make_affine(net.value(node.input()), node.floats("scale"), node.floats("bias")),
                   {node.input()});
}

std::size_t scale_map(Net& net, const Node& node) {
    return net.add(make_scale_map(net.value(node.input()), node.floats("map"),
                                  net.shape_of_map(node.shape("map"))),
                   {node.input()});
}

std::size_t input_scale(Net& net, const Node& node) {
    Window window =
        net.window(node.counts("kernel"), node.counts("stride"), node.counts("padding"));
    window.dilation = net.triple("dilation", node.counts("dilation"), 1, 1);
    return net.add(make_input_scale(net.value(node.input()), window, node.count("groups")),
                   {node.input()});
}

std::size_t multiply(Net& net, const Node& node) {
    const Sides& in = node.inputs();
    return net.add(make_multiply(net.value(in[0]), net.value(in[1])), in);
}

std::size_t add(Net& net, const Node& node) {
    const Sides& in = node.inputs();
    return net.add(make_add(net.value(in[0]), net.value(in[1])), in);
}

std::size_t concat(Net& net, const Node& node) {
    std::vector<Value> values;
    for (std::size_t in : node.inputs()) values.push_back(net.value(in));
    return net.add(make_concat(values), node.inputs());
}

// An operator of its input alone.
template <OpPtr (*make)(const Value&)>
std::size_t plain(Net& net, const Node& node) {
    return net.add(make(net.value(node.input())), {node.input()});
}

std::size_t clip(Net& net, const Node& node) {
    return net.add(make_clip(net.value(node.input()), node.number("low"), node.number("high"),
                             node.number("slope")),
                   {node.input()});
}

std::size_t prelu(Net& net, const Node& node) {
    return net.add(make_prelu(net.value(node.input()), node.floats("slope"), node.floats("before"),
                              node.floats("after")),
                   {node.input()});
}

Window pool_window(const Net& net, const Node& node) {
    Window window =
        net.window(node.counts("kernel"), node.counts("stride"), node.counts("padding"));
    window.ceil = node.flag("ceil");
    return window;
}

std::size_t max_pool(Net& net, const Node& node) {
    return net.add(make_max_pool(net.value(node.input()), pool_window(net, node)), {node.input()});
}

std::size_t avg_pool(Net& net, const Node& node) {
    return net.add(
        make_avg_pool(net.value(node.input()), pool_window(net, node), node.flag("count_padding")),
        {node.input()});
}

std::size_t adaptive_avg_pool(Net& net, const Node& node) {
    const Triple cells = net.triple("size", node.counts("size"), 1, 1);
    return net.add(make_adaptive_avg_pool(net.value(node.input()), cells), {node.input()});
}

std::size_t upsample(Net& net, const Node& node) {
    const auto mode = node.text("mode") == "nearest" ? Upsampling::nearest : Upsampling::linear;
    return net.add(
        make_upsample(net.value(node.input()), net.triple("size", node.counts("size"), 1, 1),
                      net.triple(node.steps("step"), 1.0f), mode),
        {node.input()});
}

std::size_t pad(Net& net, const Node& node) {
    return net.add(
        make_pad(net.value(node.input()), net.triple("before", node.counts("before"), 0, 0),
                 net.triple("after", node.counts("after"), 0, 0), node.number("value")),
        {node.input()});
}

std::size_t forest(Net& net, const Node& node) {
    const std::vector<float> threshold = node.floats("threshold"), leaf = node.floats("leaf"),
                             bias = node.floats("bias");
    const auto feature = node.integers("feature"), children = node.integers("children"),
               root = node.integers("root");
    require(node.shape("children")[1] == 2, "children must have shape (nodes, 2)");
    return net.add(make_forest(net.value(node.input()), {.feature = feature,
                                                         .threshold = threshold,
                                                         .children = children,
                                                         .root = root,
                                                         .leaf = leaf,
                                                         .bias = bias,
                                                         .missing = node.bytes("missing"),
                                                         .outs = node.shape("leaf")[1]}),
                   {node.input()});
}

std::size_t ferns(Net& net, const Node& node) {
    require(node.has("leaf") != node.has("codes"), "either leaf or codes must be there");
    require(node.has("codes") || !node.has("scale"), "scale belongs to codes, not to leaf");
    const Sides shape = node.shape("feature");
    for (const char* role : {"other", "threshold"}) {
        require(!node.has(role) || node.shape(role) == shape,
                "other and threshold must have the shape of feature");
    }
    const auto feature = node.integers("feature"), other = node.integers("other");
    const auto threshold = node.floats("threshold"), bias = node.floats("bias");
    const FernTable table{shape[1], feature, other, threshold, bias};
    const Value& in = net.value(node.input());
    OpPtr op = node.has("leaf")
                   ? make_ferns(in, table, node.floats("leaf"))
                   : make_ferns(in, table, node.signed_bytes("codes"), node.floats("scale"));
    return net.add(std::move(op), {node.input()});
}

}  // namespace

const std::vector<Operator>& operators() {
    static const std::vector<Role> binary_tensors{packed_weight, optional("scale"),
                                                  optional("bias")};
    static const std::vector<Role> thresholds{optional("threshold", Stored::exact),
                                              optional("flip", Stored::bits)};
    static const std::vector<Operator> rows{
        {.name = "conv",
         .append = conv,
         .tensors = {real_weight, optional("bias")},
         .attributes = convolution,
         .windowed = true},
        {.name = "binary_weight_conv",
         .append = binary_weight_conv,
         .tensors = binary_tensors,
         .attributes = convolution,
         .windowed = true},
        {.name = "binary_conv",
         .append = binary_conv,
         .tensors = binary_tensors,
         .attributes = convolution,
         .windowed = true},
        {.name = "byte_conv",
         .append = byte_conv,
         .tensors = {{.name = "weight", .stored = Stored::bytes, .dimensions = 2, .sides = true},
                     required("scale"),
                     optional("bias")},
         .attributes =
             any_convolution + Attributes{{"step", Attribute::step}, {"zero", Attribute::byte}},
         .windowed = true},
        {.name = "fern_conv",
         .append = fern_conv,
         .tensors = {{.name = "place", .stored = Stored::integers},
                     {.name = "threshold", .stored = Stored::exact},
                     optional("flip", Stored::bits),
                     optional("outside", Stored::bits),
                     {.name = "table", .stored = Stored::bytes, .dimensions = 4},
                     {.name = "scale", .stored = Stored::exact, .optional = true},
                     optional("bias")},
         .attributes =
             window + Attributes{{"kernel", Attribute::counts}, {"dilation", Attribute::counts}},
         .windowed = true},
        {.name = "sign",
         .append = sign,
         .tensors = thresholds,
         .attributes = {{"groups", Attribute::count}}},
        {.name = "binarise", .append = binarise, .tensors = thresholds},
        {.name = "affine", .append = affine, .tensors = {required("scale"), required("bias")}},
        {.name = "scale_map",
         .append = scale_map,
         .tensors = {{.name = "map", .dimensions = 1, .sides = true}}},
        {.name = "input_scale",
         .append = input_scale,
         .attributes = window + Attributes{{"kernel", Attribute::counts},
                                           {"dilation", Attribute::counts},
                                           {"groups", Attribute::count}}},
        {.name = "multiply", .append = multiply, .inputs = 2},
        {.name = "add", .append = add, .inputs = 2},
        {.name = "concat", .append = concat, .inputs = 0},
        {.name = "relu", .append = plain<make_relu>},
        {.name = "sigmoid", .append = plain<make_sigmoid>},
        {.name = "clip",
         .append = clip,
         .attributes = {{"low", Attribute::number},
                        {"high", Attribute::number},
                        {"slope", Attribute::number}}},
        {.name = "prelu",
         .append = prelu,
         .tensors = {required("slope"), optional("before"), optional("after")}},
        {.name = "max_pool", .append = max_pool, .attributes = pool, .windowed = true},
        {.name = "avg_pool",
         .append = avg_pool,
         .attributes = pool + Attributes{{"count_padding", Attribute::flag}},
         .windowed = true},
        {.name = "adaptive_avg_pool",
         .append = adaptive_avg_pool,
         .attributes = {{"size", Attribute::counts}}},
        {.name = "upsample",
         .append = upsample,
         .attributes = {{"size", Attribute::counts},
                        {"step", Attribute::steps},
                        {"mode", Attribute::upsampling}}},
        {.name = "pad",
         .append = pad,
         .attributes = {{"before", Attribute::counts},
                        {"after", Attribute::counts},
                        {"value", Attribute::number}}},
        {.name = "flatten", .append = plain<make_flatten>},
        {.name = "forest",
         .append = forest,
         .tensors = {{.name = "feature", .stored = Stored::integers},
                     {.name = "threshold", .stored = Stored::exact},
                     {.name = "children", .stored = Stored::integers, .dimensions = 2},
                     {.name = "root", .stored = Stored::integers},
                     {.name = "leaf", .dimensions = 2},
                     optional("bias"),
                     optional("missing", Stored::bits)}},
        {.name = "ferns",
         .append = ferns,
         .tensors =
             {{.name = "feature", .stored = Stored::integers, .dimensions = 2},
              {.name = "other", .stored = Stored::integers, .dimensions = 2, .optional = true},
              {.name = "threshold", .stored = Stored::exact, .dimensions = 2, .optional = true},
              {.name = "leaf", .dimensions = 2, .optional = true},
              {.name = "codes", .stored = Stored::bytes, .dimensions = 2, .optional = true},
              optional("scale", Stored::exact),
              optional("bias")}},
    };
    return rows;
}

}  // namespace bitgrove::model
