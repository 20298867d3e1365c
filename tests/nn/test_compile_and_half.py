"""Every layer compiled as one graph, in half precision, and under autocast: as in eager float32."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bitgrove import nn as bnn


def for_inputs():
    return [name for name in bnn.ESTIMATORS if name != "magnitude_aware"]


def estimated():
    return [
        (bnn.BinaryConv2d(4, 8, 3, padding=1, input_estimator=name), (2, 4, 6, 6))
        for name in for_inputs()
    ] + [
        (bnn.BinaryLinear(6, 5, input_estimator=None, weight_estimator=name), (2, 3, 6))
        for name in bnn.ESTIMATORS
    ]


def scaled():
    sizes = {bnn.BinaryConv1d: (6,), bnn.BinaryConv2d: (5, 6), bnn.BinaryConv3d: (3, 4, 5)}
    cases = [
        (bnn.BinaryConv1d, {"scale": "spatial"}),
        (bnn.BinaryConv1d, {"pad_value": 0, "input_scale": True}),
        (bnn.BinaryConv2d, {"scale": "channel"}),
        (bnn.BinaryConv2d, {"scale": "learned", "input_scale": True, "groups": 2}),
        (bnn.BinaryConv2d, {"scale": "map", "weight_estimator": None}),
        (bnn.BinaryConv2d, {"scale": "plane", "pad_value": 1}),
        (bnn.BinaryConv3d, {"scale": "spatial", "weight_estimator": "magnitude_aware"}),
    ]
    layers = []
    for make, options in cases:
        size = sizes[make]
        sized = {"output_size": size} if options.get("scale") in ("map", "plane", "spatial") else {}
        layers.append((make(4, 8, 3, padding=1, **options, **sized), (2, 4, *size)))
    return [*layers, (bnn.BinaryLinear(6, 5, scale="learned"), (2, 6))]


def blocks():
    pictures = (2, 4, 6, 6)
    return [
        (bnn.BiRealBlock(4, 8, stride=2), pictures),
        (bnn.BiRealBlock(4, 4, weight_estimator="magnitude_aware"), pictures),
        (bnn.BiRealBlock(4, 4, real=True), pictures),
        *((bnn.RSign(4, estimator=name), pictures) for name in for_inputs()),
        (bnn.RPReLU(4), pictures),
        (bnn.LeakyClip(), pictures),
    ]


class Side(nn.Module):
    """Layers side by side, each on its own input, so that one compilation serves them all."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, inputs):
        return [layer(x) for layer, x in zip(self.layers, inputs, strict=True)]


def made(make):
    torch.manual_seed(0)
    pairs = make()
    for layer, _ in pairs:
        for name, parameter in layer.named_parameters():
            if name != "weight" and "bn" not in name:
                parameter.data.uniform_(0.1, 1)
    inputs = [torch.randn(shape) for _, shape in pairs]
    for x in inputs:
        x.flatten()[:2] = torch.tensor([0.0, -0.0])
    return Side([layer for layer, _ in pairs]), inputs


def run(model, inputs):
    """Outputs, gradients of the inputs and of the parameters."""
    torch.manual_seed(1)
    inputs = [x.clone().requires_grad_() for x in inputs]
    outputs = model(inputs)
    torch.stack([y.float().square().mean() for y in outputs]).sum().backward()
    gradients = [p.grad for p in model.parameters()]
    assert all(g is not None for g in gradients)
    return [y.detach() for y in outputs], [x.grad for x in inputs], gradients


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # dynamo instantiates autograd.Function
@pytest.mark.parametrize(
    ("make", "mode"),
    [
        *((make, "float32") for make in (estimated, scaled, blocks)),
        (estimated, "autocast"),
        (scaled, "autocast"),
        (blocks, "bfloat16"),
    ],
)
def test_compiled_is_eager_bit_for_bit(make, mode):
    torch._dynamo.reset()
    model, inputs = made(make)
    if mode == "bfloat16":
        model, inputs = model.bfloat16(), [x.bfloat16() for x in inputs]
    compiled = torch.compile(copy.deepcopy(model), fullgraph=True, backend="aot_eager")
    with torch.autocast("cpu", torch.bfloat16, enabled=mode == "autocast"):
        expected, got = run(model, inputs), run(compiled, inputs)
    for kind, ours in zip(expected, got, strict=True):
        for i, (a, b) in enumerate(zip(kind, ours, strict=True)):
            assert a.dtype == b.dtype, i
            assert torch.equal(a, b), i


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_evaluation_compiles_without_drawing():
    torch._dynamo.reset()
    model, inputs = made(estimated)
    model.eval()
    compiled = torch.compile(copy.deepcopy(model), fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        for a, b in zip(model(inputs), compiled(inputs), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("make", [estimated, scaled, blocks])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_near_float32_and_finite(make, dtype):
    model, inputs = made(make)
    inputs = [x.to(dtype).float() for x in inputs]
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype).float()
    model.eval()
    half = copy.deepcopy(model).to(dtype)
    with torch.no_grad():
        pairs = zip(model(inputs), half([x.to(dtype) for x in inputs]), strict=True)
        for i, (exact, y) in enumerate(pairs):
            assert y.dtype == dtype
            tolerance = 4 * torch.finfo(dtype).eps * exact.abs().max()  # a few roundings
            assert (y.float() - exact).abs().max() <= tolerance, i
    half.train()
    for kind in run(half, [x.to(dtype) for x in inputs]):
        for tensor in kind:
            assert tensor.dtype == dtype
            assert tensor.isfinite().all()


@pytest.mark.parametrize("make", [estimated, scaled, blocks])
def test_under_autocast_parameters_keep_float32_gradients(make):
    model, inputs = made(make)
    with torch.autocast("cpu", torch.bfloat16):
        outputs, _, gradients = run(model, inputs)
    for layer, y in zip(model.layers, outputs, strict=True):
        if isinstance(layer, bnn.BinaryLayer):
            assert y.dtype == torch.bfloat16
    for g in gradients:
        assert g.dtype == torch.float32
        assert g.isfinite().all()


def test_autocast_sums_are_exact_to_256_summands_and_rounded_once_beyond():
    torch.manual_seed(0)
    for channels in (28, 256):  # 252 and 2304 summands
        layer = bnn.BinaryConv2d(channels, 4, 3, padding=1, pad_value=0)
        layer.weight.data.uniform_(-0.2, 1)  # far from 0, so that rounding is seen
        x = torch.rand(2, channels, 5, 5) - 0.2
        exact = F.conv2d(bnn.sign(x).double(), layer.binary_weight().double(), padding=1)
        assert exact.abs().max() > 0.3 * channels
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(x)
        assert y.dtype == torch.bfloat16
        assert torch.equal(y, exact.bfloat16())
        assert torch.equal(y.double(), exact) == (channels == 28)


def test_activations_keep_half_precision_when_their_parameters_are_float32():
    x = torch.randn(2, 4, 3, dtype=torch.bfloat16)
    for layer in (bnn.RSign(4), bnn.RPReLU(4), bnn.LeakyClip()):
        with torch.autocast("cpu", torch.bfloat16):
            assert layer(x).dtype == torch.bfloat16
