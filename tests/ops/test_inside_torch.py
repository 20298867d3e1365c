"""torch's own check of operators, compiled and exported graphs, and gradients that are refused."""

import io

import pytest
import torch
from torch import nn

from bitgrove import nn as bnn
from bitgrove import ops

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, in dynamo


def network():
    """Every kind of packed layer and scale between real ones."""
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        bnn.BinaryConv2d(8, 12, 3, padding=1, groups=2, scale="channel"),
        nn.BatchNorm2d(12),
        bnn.BinaryConv2d(12, 8, 3, pad_value=0, padding=1, input_scale=True),
        bnn.BinaryConv2d(8, 4, 3, stride=2, scale="spatial", output_size=(2, 2)),
        bnn.BinaryConv2d(4, 4, 1, input_estimator=None),
        nn.Flatten(),
        bnn.BinaryLinear(16, 6, scale="learned"),
        bnn.BinaryLinear(6, 5, input_estimator=None),
    )
    return model.eval(), torch.randn(3, 3, 8, 8)


WEIGHT = ops.pack_weight(torch.randn(4, 6, 3, 3))
LINEAR = ops.pack_weight(torch.randn(4, 12))
PICTURES, ROWS = torch.randn(2, 12, 6, 5), torch.randn(2, 3, 12)
WINDOW = [1, 2], [1, 0], [1, 1], 2, -1
FLIP = torch.zeros(2, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("binary_conv", (PICTURES, WEIGHT, None, None, *WINDOW, None, None)),
        (
            "binary_conv",
            (PICTURES, WEIGHT, torch.rand(4), torch.rand(4), *WINDOW, torch.rand(12), FLIP),
        ),
        ("binary_weight_conv", (PICTURES, WEIGHT, torch.rand(4), None, *WINDOW)),
        ("binary_linear", (ROWS, LINEAR, None, torch.rand(4), None, None)),
        ("binary_weight_linear", (ROWS, LINEAR, None, None)),
    ],
)
def test_torch_finds_nothing_wrong_with_the_operator(name, arguments):
    operator = getattr(torch.ops.bitgrove, name).default
    found = torch.library.opcheck(operator, arguments)
    assert set(found.values()) == {"SUCCESS"}
    assert len(found) >= 4


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_a_compiled_model_is_one_graph_with_the_same_bits(mode):
    torch._dynamo.reset()
    model, x = network()
    packed = ops.pack_layers(model)
    compiled = torch.compile(packed, fullgraph=True, backend="aot_eager")
    with mode():
        expected = packed(x)
        assert torch.equal(compiled(x), expected)
        torch.testing.assert_close(expected, model(x), rtol=1e-5, atol=1e-5)


def test_a_compiled_operator_serves_any_batch_and_size():
    torch._dynamo.reset()
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(
        lambda x: ops.binary_conv(x, WEIGHT, padding=1, groups=2) + 1,
        fullgraph=True,
        dynamic=True,
        backend=backend,
    )
    for shape in ((2, 12, 6, 5), (3, 12, 9, 4), (7, 12, 4, 8)):
        x = torch.randn(shape)
        assert torch.equal(compiled(x), ops.binary_conv(x, WEIGHT, padding=1, groups=2) + 1)
    assert len(graphs) == 1


def test_an_exported_model_saved_and_loaded_takes_any_batch():
    model, x = network()
    packed = ops.pack_layers(model)
    exported = torch.export.export(
        packed, (x,), dynamic_shapes=({0: torch.export.Dim("n", min=1)},)
    )
    called = [str(node.target) for node in exported.graph.nodes if node.op == "call_function"]
    assert sum(target.startswith("bitgrove.binary") for target in called) == 6
    file = io.BytesIO()
    torch.export.save(exported, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    for n in (1, 3, 6):
        x = torch.randn(n, 3, 8, 8)
        assert torch.equal(loaded(x), packed(x))


@pytest.mark.parametrize("compiled", [False, True])
def test_a_backward_pass_is_refused_and_a_forward_pass_is_not(compiled):
    torch._dynamo.reset()
    model = nn.Sequential(nn.Linear(12, 12), ops.pack_layers(bnn.BinaryLinear(12, 4)))
    run = torch.compile(model, fullgraph=True, backend="aot_eager") if compiled else model
    y = run(torch.randn(2, 12))
    assert y.requires_grad  # else the refusal would be silent
    with pytest.raises(NotImplementedError, match=r"train with bitgrove\.nn and pack afterwards"):
        y.sum().backward()


def test_the_gradient_of_a_scale_is_refused_too():
    scale = torch.rand(4, requires_grad=True)
    for y in (
        ops.binary_linear(ROWS, LINEAR, scale=scale),
        ops.binary_weight_linear(ROWS, LINEAR, scale=scale),
        ops.binary_conv(PICTURES, WEIGHT, groups=2, bias=scale),
        ops.binary_weight_conv(PICTURES, WEIGHT, groups=2, bias=scale),
    ):
        with pytest.raises(NotImplementedError, match="no gradient"):
            y.sum().backward()


def test_what_stands_behind_packed_layers_can_be_trained():
    packed = ops.pack_layers(bnn.BinaryLinear(12, 4))
    head = nn.Linear(4, 2)
    head(packed(ROWS)).sum().backward()
    assert head.weight.grad is not None


def test_the_shape_is_known_without_memory():
    model, x = network()
    packed = ops.pack_layers(model).to("meta")
    assert packed(x.to("meta")).shape == (3, 5)
