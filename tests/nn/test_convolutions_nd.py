"""Binary convolutions of one and three dimensions, and the scales that are tied to a size."""

import copy
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bitgrove import nn as bnn

LAYERS = {1: bnn.BinaryConv1d, 2: bnn.BinaryConv2d, 3: bnn.BinaryConv3d}
CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
SIZES = {1: (9,), 2: (7, 5), 3: (4, 5, 6)}
LETTERS = {1: "w", 2: "hw", 3: "dhw"}


def signs(x):
    return torch.tensor(np.where(x.detach().numpy() >= 0, 1, -1), dtype=x.dtype)


def explicitly_padded(x, padding, value):
    """Oracle: ``value`` everywhere, and ``x`` in the middle; numpy's own padding."""
    edges = [(0, 0), (0, 0), *((p, p) for p in padding)]
    return torch.from_numpy(np.pad(x.detach().numpy(), edges, constant_values=value))


def direct_convolution(x, w, stride, dilation, groups):
    """Oracle: integer convolution in any dimension by a loop over outputs and taps."""
    x, w = x.numpy().astype(np.int64), w.numpy().astype(np.int64)
    out, per_group, *kernel = w.shape
    size = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)
    ]
    y = np.zeros((len(x), out, *size), np.int64)
    for o in range(out):
        first = o // (out // groups) * per_group
        for at in itertools.product(*map(range, size)):
            for tap in itertools.product(*map(range, kernel)):
                pixel = tuple(
                    a * s + t * d for a, s, t, d in zip(at, stride, tap, dilation, strict=True)
                )
                values = x[(slice(None), slice(first, first + per_group), *pixel)]
                y[(slice(None), o, *at)] += values @ w[(o, slice(None), *tap)]
    return y


CASES = [
    (1, {}),
    (1, {"padding": 1}),
    (1, {"padding": 2, "stride": 2, "dilation": 2}),
    (1, {"padding": (1,), "groups": 2, "stride": (3,)}),
    (3, {}),
    (3, {"padding": 1}),
    (3, {"padding": (2, 0, 1), "stride": (1, 2, 3)}),
    (3, {"padding": (0, 1, 2), "groups": 2, "dilation": (1, 2, 1)}),
]


@pytest.mark.parametrize("pad_value", [-1, 0, 1])
@pytest.mark.parametrize(("dimensions", "options"), CASES, ids=str)
def test_convolution_is_the_integer_one_of_explicit_signs(dimensions, options, pad_value):
    torch.manual_seed(0)
    kernel = {1: 3, 3: (2, 3, 1)}[dimensions]
    layer = LAYERS[dimensions](4, 6, kernel, pad_value=pad_value, **options)
    x = torch.randn(2, 4, *SIZES[dimensions])
    expected = direct_convolution(
        explicitly_padded(signs(x), layer.padding, pad_value),
        signs(layer.weight),
        layer.stride,
        layer.dilation,
        layer.groups,
    )
    assert len(np.unique(expected)) > 4  # not vacuous
    np.testing.assert_array_equal(layer(x).detach().numpy(), expected)


@pytest.mark.parametrize("pad_value", [-1, 0, 1])
@pytest.mark.parametrize(("dimensions", "options"), CASES, ids=str)
def test_gradients_are_those_of_torchs_convolution_masked_by_the_estimators(
    dimensions, options, pad_value
):
    torch.manual_seed(1)
    layer = LAYERS[dimensions](
        4, 6, 3, pad_value=pad_value, weight_estimator=bnn.Clipped(clip=0.2), **options
    ).double()
    x = torch.randn(2, 4, *SIZES[dimensions], dtype=torch.float64, requires_grad=True)
    y = layer(x)
    g = torch.randn_like(y)
    y.backward(g)
    sx, sw = signs(x).requires_grad_(), signs(layer.weight).requires_grad_()
    border = [edge for edge in reversed(layer.padding) for _ in range(2)]
    reference = CONVOLUTIONS[dimensions](
        F.pad(sx, border, value=pad_value),
        sw,
        None,
        layer.stride,
        0,
        layer.dilation,
        layer.groups,
    )
    reference.backward(g)
    assert 0 < (layer.weight.abs() > 0.2).sum() < layer.weight.numel()
    torch.testing.assert_close(x.grad, sx.grad * (x.abs() <= 1))
    torch.testing.assert_close(layer.weight.grad, sw.grad * (layer.weight.abs() <= 0.2))


@pytest.mark.parametrize("which", ["input_estimator", "weight_estimator"])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_border_of_a_half_binary_convolution_holds_the_pad_value(dimensions, which):
    torch.manual_seed(0)
    layer = LAYERS[dimensions](3, 4, 3, padding=2, pad_value=1, **{which: None}).double()
    x = torch.randn(2, 3, *SIZES[dimensions], dtype=torch.float64)
    left = x if which == "input_estimator" else signs(x)
    right = layer.weight if which == "weight_estimator" else signs(layer.weight)
    expected = CONVOLUTIONS[dimensions](explicitly_padded(left, layer.padding, 1), right)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("dimensions", [1, 3])
def test_input_scale_is_the_box_filtered_mean_magnitude(dimensions, groups):
    torch.manual_seed(0)
    layer = LAYERS[dimensions](4, 6, 2, padding=1, stride=2, groups=groups, input_scale=True)
    x = torch.randn(2, 4, *SIZES[dimensions])
    k = layer.input_scale_map(x)
    magnitude = explicitly_padded(x.abs(), layer.padding, 0).numpy()
    shape = layer(x).shape[2:]
    for group in range(groups):
        channels = slice(group * 4 // groups, (group + 1) * 4 // groups)
        outputs = slice(group * 6 // groups, (group + 1) * 6 // groups) if groups > 1 else slice(1)
        for at in np.ndindex(*shape):
            window = tuple(slice(2 * a, 2 * a + 2) for a in at)
            mean = magnitude[(slice(None), channels, *window)].reshape(2, -1).mean(1)
            for values in k[(slice(None), outputs, *at)].T:
                np.testing.assert_allclose(values, mean, rtol=1e-5)
    plain = copy.deepcopy(layer)
    plain.input_scale = False
    torch.testing.assert_close(layer(x), plain(x) * k)


SUBSCRIPTS = {
    "map": lambda axes: f"o{axes}",
    "plane": lambda axes: f"o,{axes}",
    "spatial": lambda axes: ",".join(f"o{axes}"),
}


@pytest.mark.parametrize("magnitude_aware", [False, True])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("scale", SUBSCRIPTS)
def test_sized_scales_are_the_products_of_their_parameters(scale, dimensions, magnitude_aware):
    torch.manual_seed(0)
    make, size, axes = LAYERS[dimensions], SIZES[dimensions], LETTERS[dimensions]
    estimator = "magnitude_aware" if magnitude_aware else "clipped"
    layer = make(
        3, 4, 3, padding=1, weight_estimator=estimator, scale=scale, output_size=size
    ).double()
    plain = make(3, 4, 3, padding=1, weight_estimator=estimator).double()
    plain.weight = layer.weight
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    assert torch.equal(layer(x), plain(x))  # first 1
    parameters = [p for name, p in layer.named_parameters() if name != "weight"]
    for parameter in parameters:
        parameter.data.uniform_(0.5, 2)
    subscripts = SUBSCRIPTS[scale](axes)
    gamma = torch.einsum(f"{subscripts}->o{axes}", *parameters)
    y, expected = layer(x), plain(x) * gamma
    torch.testing.assert_close(y, expected)
    factors = layer.output_scale()
    assert factors is not None
    assert factors.shape == (4, *size)
    g = torch.randn_like(y)
    own = torch.autograd.grad(y, parameters, g)
    torch.testing.assert_close(own, torch.autograd.grad(expected, parameters, g))
    # What packing relies on: sign, convolve, multiply once.
    border = [1] * (2 * dimensions)
    integers = CONVOLUTIONS[dimensions](F.pad(signs(x), border, value=-1), layer.binary_weight())
    assert torch.equal(integers, integers.round())
    torch.testing.assert_close(integers * factors, y, rtol=1e-12, atol=0)


@pytest.mark.parametrize("scale", SUBSCRIPTS)
def test_sized_scales_need_the_size_and_keep_to_it(scale):
    with pytest.raises(ValueError, match=rf"only with them; got scale='{scale}', output_size=None"):
        bnn.BinaryConv1d(2, 2, 3, scale=scale)
    layer = bnn.BinaryConv1d(2, 2, 3, scale=scale, output_size=4)
    with pytest.raises(ValueError, match=r"output_size=\(4,\), and the output is \(5,\)"):
        layer(torch.zeros(1, 2, 7))
    with pytest.raises(ValueError, match="needs rows and columns"):
        bnn.BinaryLinear(2, 2, scale=scale)


@pytest.mark.parametrize("scale", [*SUBSCRIPTS, "learned"])
def test_resetting_sets_learned_scales_to_one_and_draws_the_weight(scale):
    sized = {} if scale == "learned" else {"output_size": (2, 3)}
    layer = bnn.BinaryConv2d(2, 4, 3, scale=scale, **sized)
    for parameter in layer.parameters():
        parameter.data.fill_(7)
    layer.reset_parameters()
    for name, parameter in layer.named_parameters():
        assert (name == "weight") == (len(parameter.unique()) > 1)
        assert (parameter != 7).all()


def test_the_scales_have_their_shapes_in_the_state_dict():
    shapes = {
        scale: {
            name: tuple(p.shape)
            for name, p in bnn.BinaryConv2d(2, 5, 1, scale=scale, output_size=(3, 4))
            .state_dict()
            .items()
            if name != "weight"
        }
        for scale in SUBSCRIPTS
    }
    assert shapes == {
        "map": {"scale_map": (5, 3, 4)},
        "plane": {"scale_channel": (5,), "scale_plane": (3, 4)},
        "spatial": {"scale_channel": (5,), "scale_row": (3,), "scale_column": (4,)},
    }


def test_sizes_and_inputs_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match="kernel_size must be an integer of at least 1 or three"):
        bnn.BinaryConv3d(2, 2, (3, 3))
    with pytest.raises(ValueError, match="stride must be an integer of at least 1 or one in"):
        bnn.BinaryConv1d(2, 2, 3, stride=(1, 1))
    with pytest.raises(ValueError, match=r"\(n, 2, l\), got \(1, 2, 3, 3\)"):
        bnn.BinaryConv1d(2, 2, 3)(torch.zeros(1, 2, 3, 3))
    with pytest.raises(ValueError, match=r"\(n, 2, d, h, w\), got \(1, 2, 3, 3\)"):
        bnn.BinaryConv3d(2, 2, 3)(torch.zeros(1, 2, 3, 3))


def test_repr_shows_the_dimension():
    assert repr(bnn.BinaryConv1d(2, 4, 3, padding=1, input_estimator=None)) == (
        "BinaryConv1d(2, 4, kernel_size=(3,), padding=(1,), input_estimator=None, "
        "weight_estimator=Clipped(clip=1.0))"
    )
    assert "kernel_size=(3, 3, 3), input" in repr(bnn.BinaryConv3d(2, 4, 3))


def test_binary_parameters_are_tagged_in_every_dimension():
    model = nn.ModuleList(make(2, 2, 3, scale="learned") for make in LAYERS.values())
    for parameter in model.parameters():
        parameter.data.fill_(5)
    bnn.clip_latents_(model)
    assert {name: p.unique().item() for name, p in model.named_parameters()} == {
        f"{i}.{name}": v for i in range(3) for name, v in (("weight", 1), ("scale_channel", 5))
    }
