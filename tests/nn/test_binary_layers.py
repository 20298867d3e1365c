"""The layers against their definitions, written out without the layers' code."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bitgrove import nn as bnn


def signs(x):
    return torch.tensor(np.where(x.detach().numpy() >= 0, 1, -1), dtype=x.dtype)


def padded(x, padding, value):
    """Oracle: a border of ``value`` around the last two axes, by assignment."""
    (down, across), (n, c, h, w) = padding, x.shape
    out = torch.full((n, c, h + 2 * down, w + 2 * across), float(value), dtype=x.dtype)
    out[:, :, down : down + h, across : across + w] = x
    return out


def direct_convolution(x, w, stride, dilation, groups):
    """Oracle: integer convolution by loops over outputs."""
    x, w = x.numpy().astype(np.int64), w.numpy().astype(np.int64)
    n, _, height, width = x.shape
    out, per_group, kh, kw = w.shape
    rows = (height - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    columns = (width - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((n, out, rows, columns), np.int64)
    for o in range(out):
        first = o // (out // groups) * per_group
        for i in range(rows):
            for j in range(columns):
                top, left = i * stride[0], j * stride[1]
                window = x[:, first : first + per_group, top:, left:]
                window = window[:, :, :: dilation[0], :: dilation[1]][:, :, :kh, :kw]
                y[:, o, i, j] = (window * w[o]).sum((1, 2, 3))
    return y


SHAPES = [
    {},
    {"padding": 1},
    {"padding": 1, "stride": 2},
    {"padding": (2, 0), "stride": (1, 3)},
    {"padding": 2, "dilation": 2},
    {"dilation": (1, 2), "padding": (0, 1)},
    {"groups": 3, "padding": 1},
    {"groups": 3, "stride": 2, "padding": 1, "dilation": (2, 1)},
]


@pytest.mark.parametrize("pad_value", [-1, 0, 1])
@pytest.mark.parametrize("kernel", [3, (1, 2)])
@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_convolution_is_the_integer_one_of_explicit_signs(options, kernel, pad_value):
    torch.manual_seed(0)
    layer = bnn.BinaryConv2d(9, 6, kernel, pad_value=pad_value, **options)
    x = torch.randn(2, 9, 7, 10)
    x[0, 0, :2, :2] = torch.tensor([[0.0, -0.0], [1e-30, -1e-30]])
    got = layer(x).detach().numpy()
    expected = direct_convolution(
        padded(signs(x), layer.padding, pad_value),
        signs(layer.weight),
        layer.stride,
        layer.dilation,
        layer.groups,
    )
    assert len(np.unique(expected)) > 4  # not vacuous
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("channels", [1, 64, 65, 200])
def test_convolution_is_exact_whatever_algorithm_torch_picks(channels):
    torch.manual_seed(channels)
    layer = bnn.BinaryConv2d(channels, 32, 3, padding=1)
    x = torch.randn(4, channels, 16, 16)
    got = layer(x).detach()
    assert torch.equal(got, got.round())
    exact = F.conv2d(padded(signs(x).double(), (1, 1), -1), signs(layer.weight).double())
    assert torch.equal(got.double(), exact)


@pytest.mark.parametrize("pad_value", [-1, 0, 1])
@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_gradients_are_those_of_conv2d_masked_by_the_estimators(options, pad_value):
    torch.manual_seed(1)
    layer = bnn.BinaryConv2d(
        9, 6, 3, pad_value=pad_value, weight_estimator=bnn.Clipped(clip=0.1), **options
    ).double()
    x = torch.randn(2, 9, 7, 10, dtype=torch.float64, requires_grad=True)
    y = layer(x)
    g = torch.randn_like(y)
    y.backward(g)
    sx, sw = signs(x).requires_grad_(), signs(layer.weight).requires_grad_()
    reference = F.conv2d(
        F.pad(sx, (*[layer.padding[1]] * 2, *[layer.padding[0]] * 2), value=pad_value),
        sw,
        stride=layer.stride,
        dilation=layer.dilation,
        groups=layer.groups,
    )
    reference.backward(g)
    assert 0 < (layer.weight.abs() > 0.1).sum() < layer.weight.numel()
    torch.testing.assert_close(x.grad, sx.grad * (x.abs() <= 1))
    torch.testing.assert_close(layer.weight.grad, sw.grad * (layer.weight.abs() <= 0.1))


@pytest.mark.parametrize("shape", [(5,), (2, 3, 5)])
def test_linear_is_the_integer_product_of_explicit_signs(shape):
    torch.manual_seed(0)
    layer = bnn.BinaryLinear(5, 4)
    x = torch.randn(shape)
    expected = signs(x).numpy().astype(int) @ signs(layer.weight).numpy().astype(int).T
    np.testing.assert_array_equal(layer(x).detach().numpy(), expected)


def test_real_inputs_and_real_weights_stay_real():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 5)
    weights_only = bnn.BinaryConv2d(3, 4, 3, input_estimator=None, padding=1, pad_value=0)
    torch.testing.assert_close(
        weights_only(x), F.conv2d(x, signs(weights_only.weight), padding=1), rtol=1e-5, atol=1e-5
    )
    inputs_only = bnn.BinaryConv2d(3, 4, 3, weight_estimator=None)
    torch.testing.assert_close(inputs_only(x), F.conv2d(signs(x), inputs_only.weight))
    assert torch.equal(inputs_only.binary_weight(), inputs_only.weight)
    neither = bnn.BinaryLinear(5, 4, input_estimator=None, weight_estimator=None)
    torch.testing.assert_close(neither(x), F.linear(x, neither.weight))


# ---- scales


def xnor_definition(x, w, padding, clip=1.0):
    """XNOR-Net's W~ = alpha sign(W) with the sign's gradient clipped, written out."""
    surrogate = w.clamp(-clip, clip)
    w_sign = surrogate + (signs(w) - surrogate).detach()
    alpha = w.abs().sum((1, 2, 3)) / w[0].numel()
    return F.conv2d(padded(x, padding, -1), alpha.reshape(-1, 1, 1, 1) * w_sign)


def test_channel_scale_has_the_value_and_the_full_gradient_of_the_definition():
    torch.manual_seed(0)
    layer = bnn.BinaryConv2d(3, 4, 3, padding=1, scale="channel").double()
    layer.weight.data.mul_(3)
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    w = layer.weight.detach().clone().requires_grad_()
    y, expected = layer(x), xnor_definition(signs(x), w, (1, 1))
    torch.testing.assert_close(y, expected)
    g = torch.randn_like(y)
    y.backward(g)
    expected.backward(g)
    assert 0 < (w.abs() > 1).sum() < w.numel()  # clipped and not
    torch.testing.assert_close(layer.weight.grad, w.grad)


def test_channel_scale_gradient_is_the_published_correct_sum():
    torch.manual_seed(0)
    layer = bnn.BinaryLinear(6, 3, scale="channel").double()
    x = torch.randn(4, 6, dtype=torch.float64)
    y = layer(x)
    g = torch.randn_like(y)
    y.backward(g)
    w, n = layer.weight.detach().numpy(), 6
    upstream = g.numpy().T @ signs(x).numpy()  # dC/dW~
    expected = np.zeros_like(w)
    for o in range(3):
        total = sum(upstream[o, j] * np.sign(w[o, j]) for j in range(n))
        for i in range(n):
            inside = np.mean(abs(w[o])) if abs(w[o, i]) < 1 else 0.0
            expected[o, i] = np.sign(w[o, i]) * total / n + upstream[o, i] * inside
    np.testing.assert_allclose(layer.weight.grad, expected, rtol=1e-10)


def test_channel_scale_passes_gradcheck_where_the_sign_is_constant():
    # Steps of 1e-6 cross no sign, so numerically only alpha moves: the estimator must be silent.
    class Silent(bnn.Estimator):
        def slope(self, x):
            return torch.zeros_like(x)

    torch.manual_seed(0)
    layer = bnn.BinaryConv2d(2, 3, 3, scale="channel", weight_estimator=Silent()).double()
    x = torch.randn(1, 2, 5, 5, dtype=torch.float64)
    assert layer.weight.abs().min() > 1e-4
    assert torch.autograd.gradcheck(
        lambda w: torch.func.functional_call(layer, {"weight": w}, x),
        layer.weight.detach().clone().requires_grad_(),
    )


@pytest.mark.parametrize(
    "options",
    [{}, {"padding": 1}, {"stride": 2, "padding": (1, 0)}, {"dilation": 2}, {"groups": 2}],
    ids=str,
)
def test_input_scale_is_the_box_filtered_mean_magnitude(options):
    torch.manual_seed(0)
    layer = bnn.BinaryConv2d(4, 6, (3, 2), input_scale=True, **options)
    plain = copy.deepcopy(layer)
    plain.input_scale = False
    x = torch.randn(2, 4, 7, 6)
    y = plain(x).detach()
    magnitude = padded(x.abs(), layer.padding, 0).numpy()
    k = np.zeros(y.shape)
    for o in range(6):
        group = o // (6 // layer.groups)
        channels = range(group * 4 // layer.groups, (group + 1) * 4 // layer.groups)
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                for n in range(2):
                    k[n, o, i, j] = np.mean(
                        [
                            magnitude[
                                n,
                                c,
                                i * layer.stride[0] + u * layer.dilation[0],
                                j * layer.stride[1] + v * layer.dilation[1],
                            ]
                            for c in channels
                            for u in range(3)
                            for v in range(2)
                        ]
                    )
    np.testing.assert_allclose(layer.input_scale_map(x).expand(y.shape), k, rtol=1e-5)
    np.testing.assert_allclose(layer(x).detach(), y.numpy() * k, rtol=1e-5, atol=1e-6)


def test_input_scale_is_differentiated():
    class Silent(bnn.Estimator):
        def slope(self, x):
            return torch.zeros_like(x)

    torch.manual_seed(0)
    layer = bnn.BinaryConv2d(
        4, 2, 3, padding=1, groups=2, input_scale=True, input_estimator=Silent()
    ).double()
    x = torch.randn(1, 4, 4, 4, dtype=torch.float64, requires_grad=True)
    assert x.abs().min() > 1e-4
    assert torch.autograd.gradcheck(layer, x)


def test_learned_scale_multiplies_channels_and_learns():
    torch.manual_seed(0)
    layer = bnn.BinaryConv2d(3, 4, 3, scale="learned")
    plain = bnn.BinaryConv2d(3, 4, 3)
    plain.weight = layer.weight
    x = torch.randn(2, 3, 6, 5)
    assert torch.equal(layer(x), plain(x))  # first 1
    assert layer.scale_channel is not None
    layer.scale_channel.data = torch.tensor([0.5, -1.0, 2.0, 0.0])
    assert torch.equal(layer(x), plain(x) * torch.tensor([0.5, -1, 2, 0]).reshape(4, 1, 1))
    layer(x).sum().backward()
    torch.testing.assert_close(layer.scale_channel.grad, plain(x).sum((0, 2, 3)))


def test_spatial_scale_is_the_outer_product_of_three_vectors():
    torch.manual_seed(0)
    layer = bnn.BinaryConv2d(3, 4, 3, scale="spatial", output_size=(4, 3))
    plain = bnn.BinaryConv2d(3, 4, 3)
    plain.weight = layer.weight
    x = torch.randn(2, 3, 6, 5)
    assert torch.equal(layer(x), plain(x))  # first 1
    a, b, c = torch.rand(4), torch.rand(4), torch.rand(3)
    layer.scale_channel.data, layer.scale_row.data, layer.scale_column.data = a, b, c
    expected = torch.einsum("nohw,o,h,w->nohw", plain(x), a, b, c)
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer.output_scale(), torch.einsum("o,h,w->ohw", a, b, c))
    with pytest.raises(ValueError, match=r"output_size=\(4, 3\), and the output is \(5, 3\)"):
        layer(torch.zeros(1, 3, 7, 5))


@pytest.mark.parametrize("scale", [None, "learned", "spatial"])
def test_magnitude_aware_weights_equal_the_estimator_applied_to_the_weight(scale):
    torch.manual_seed(0)
    layer = bnn.BinaryConv2d(
        3,
        4,
        3,
        weight_estimator="magnitude_aware",
        scale=scale,
        output_size=(4, 3) if scale == "spatial" else None,
    ).double()
    layer.weight.data.mul_(4)
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    w = layer.weight.detach().clone().requires_grad_()
    y, expected = layer(x), F.conv2d(signs(x), bnn.MagnitudeAware()(w))
    torch.testing.assert_close(y, expected)
    g = torch.randn_like(y)
    y.backward(g)
    expected.backward(g)
    assert w.grad is not None
    assert 0 < (w.grad == 0).sum() < w.numel()
    torch.testing.assert_close(layer.weight.grad, w.grad)


@pytest.mark.parametrize(
    ("scale", "weight_estimator"),
    [
        (scale, estimator)
        for scale in (None, "channel", "learned", "spatial")
        for estimator in ("clipped", "magnitude_aware")
        if (scale, estimator) != ("channel", "magnitude_aware")  # refused together
    ],
)
def test_read_access_reproduces_the_layer(scale, weight_estimator):
    """What packing relies on: sign, convolve, then multiply once by output_scale()."""
    torch.manual_seed(0)
    layer = bnn.BinaryConv2d(
        8,
        4,
        3,
        padding=1,
        pad_value=1,
        scale=scale,
        weight_estimator=weight_estimator,
        output_size=(6, 5) if scale == "spatial" else None,
    )
    for name, parameter in layer.named_parameters():
        if name != "weight":
            parameter.data.uniform_(0.5, 2)
    x = torch.randn(2, 8, 6, 5)
    weight, factors = layer.binary_weight(), layer.output_scale()
    assert weight.shape == layer.weight.shape
    assert not weight.requires_grad
    assert set(weight.unique().tolist()) == {-1.0, 1.0}
    y = F.conv2d(padded(signs(x), layer.padding, layer.pad_value), weight)
    if scale is None and weight_estimator == "clipped":
        assert factors is None
    else:
        assert factors is not None
        assert not factors.requires_grad
        assert factors.shape == ((4, 6, 5) if scale == "spatial" else (4,))
        y = y * (factors if factors.ndim == 3 else factors[:, None, None])
    assert torch.equal(layer(x), y)


def test_read_access_hands_out_copies():
    for layer in (
        bnn.BinaryLinear(3, 2, scale="learned"),
        bnn.BinaryLinear(3, 2, weight_estimator=None, scale="learned"),
    ):
        before = layer.weight.detach().clone()
        layer.binary_weight().zero_()
        layer.output_scale().zero_()
        assert torch.equal(layer.weight, before)
        assert torch.equal(layer.scale_channel, torch.ones(2))


def test_linear_scales_multiply_the_last_axis():
    torch.manual_seed(0)
    x = torch.randn(3, 5)
    for options in ({"scale": "channel"}, {"weight_estimator": "magnitude_aware"}):
        layer = bnn.BinaryLinear(5, 2, **options)
        alpha = layer.weight.detach().abs().mean(1)
        expected = signs(x) @ signs(layer.weight).T * alpha
        torch.testing.assert_close(layer(x).detach(), expected)
        torch.testing.assert_close(layer.output_scale(), alpha)


# ---- the life of a layer


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("scale", [None, "channel", "learned"])
def test_half_precision_runs_forwards_and_backwards(scale, dtype):
    torch.manual_seed(0)
    layer = bnn.BinaryConv2d(
        8, 4, 3, padding=1, scale=scale, input_scale=True, input_estimator="swish"
    ).to(dtype)
    x = torch.randn(2, 8, 5, 5, dtype=dtype, requires_grad=True)
    y = layer(x)
    assert y.dtype == dtype
    y.float().square().mean().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert layer.weight.grad.isfinite().all()
    assert layer.weight.grad.abs().max() > 0


def test_integer_parts_are_exact_in_half_precision_within_its_integers():
    torch.manual_seed(0)
    layer = bnn.BinaryConv2d(16, 4, 3)  # 144 summands: below 256
    x = torch.randn(2, 16, 6, 6)
    expected = layer(x)
    for dtype in (torch.float16, torch.bfloat16):
        # Rounding x may underflow to -0 but never changes which side of zero a normal number is on.
        assert torch.equal(copy.deepcopy(layer).to(dtype)(x.to(dtype)).float(), expected)


def test_fresh_weights_have_both_signs_in_every_output():
    torch.manual_seed(0)
    for layer in (bnn.BinaryConv2d(16, 32, 3), bnn.BinaryLinear(64, 32)):
        mean = layer.binary_weight().flatten(1).mean(1)
        assert mean.abs().max() < 0.7
        assert 0.01 < layer.weight.std() < 1


def test_a_layer_survives_state_dict_deepcopy_and_pickle():
    torch.manual_seed(0)
    options = {"scale": "spatial", "output_size": 3, "input_estimator": bnn.Swish(beta=3.0)}
    layer = bnn.BinaryConv2d(2, 3, 3, **options)
    for parameter in layer.parameters():
        parameter.data.uniform_(-1, 1)
    x = torch.randn(1, 2, 5, 5)
    fresh = bnn.BinaryConv2d(2, 3, 3, **options)
    assert not torch.equal(fresh(x), layer(x))
    buffer = io.BytesIO()
    torch.save(layer.state_dict(), buffer)
    buffer.seek(0)
    fresh.load_state_dict(torch.load(buffer, weights_only=True))
    for twin in (fresh, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(twin(x), layer(x))
        assert twin.binary_parameter_names == ("weight",)
        assert twin.input_estimator == bnn.Swish(beta=3.0)


def test_estimators_may_be_exchanged_between_epochs():
    layer = bnn.BinaryLinear(3, 2, weight_estimator="ede")
    layer.weight_estimator = bnn.EDE(t=10)
    assert layer.weight_estimator == bnn.EDE(t=10)
    layer.weight_estimator = None
    assert layer.binary_parameter_names == ()
    with pytest.raises(ValueError, match="weights only"):
        layer.input_estimator = "magnitude_aware"


def test_clip_latents_touches_binary_weights_only():
    model = nn.Sequential(
        bnn.BinaryLinear(2, 2, scale="learned"),
        bnn.BinaryLinear(2, 2, weight_estimator=None),
        nn.Linear(2, 2),
    )
    for parameter in model.parameters():
        parameter.data.fill_(-7.0)
    bnn.clip_latents_(model, bound=1.25)
    assert [p.unique().item() for p in model.parameters()] == [-1.25, -7, -7, -7, -7]
    with pytest.raises(ValueError, match="bound must be above 0, got 0"):
        bnn.clip_latents_(model, bound=0)


def test_repr_names_what_is_not_default():
    layer = bnn.BinaryConv2d(2, 4, 3, pad_value=0, padding=1, scale="channel")
    assert repr(layer) == (
        "BinaryConv2d(2, 4, kernel_size=(3, 3), padding=(1, 1), pad_value=0.0, "
        "input_estimator=Clipped(clip=1.0), weight_estimator=Clipped(clip=1.0), scale='channel')"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pad_value": 0.5}, r"pad_value must be -1, 0 or \+1, got 0.5"),
        ({"pad_value": float("nan")}, "pad_value must be -1"),
        ({"groups": 3}, r"in_channels \(=4\) must be a multiple of groups \(=3\)"),
        ({"groups": 4}, r"out_channels \(=6\) must be a multiple of groups \(=4\)"),
        ({"groups": 0}, "groups must be at least 1, got 0"),
        ({"stride": 0}, "stride must be an integer of at least 1 or two, got 0"),
        ({"padding": (1, -1)}, "padding must be an integer of at least 0"),
        ({"padding": "same"}, "padding must be an integer of at least 0"),
        ({"dilation": (1, 1, 1)}, "dilation must be"),
        (
            {"scale": "chanel"},
            "scale .chanel. is unknown; available: channel, learned, map, plane",
        ),
        ({"scale": "channel", "weight_estimator": None}, "keeps the real weight"),
        ({"scale": "channel", "weight_estimator": "magnitude_aware"}, "the same factor"),
        ({"input_estimator": "magnitude_aware"}, "for weights only"),
        ({"input_scale": True, "input_estimator": None}, "keeps the real input"),
        ({"scale": "spatial"}, "output_size.*got scale='spatial', output_size=None"),
        ({"output_size": 3}, "output_size.*got scale=None, output_size=3"),
    ],
)
def test_bad_arguments_are_refused_with_the_reason(options, message):
    with pytest.raises(ValueError, match=message):
        bnn.BinaryConv2d(4, 6, 3, **options)


def test_linear_refuses_a_spatial_scale_and_empty_axes():
    with pytest.raises(ValueError, match="rows and columns"):
        bnn.BinaryLinear(2, 2, scale="spatial")
    with pytest.raises(ValueError, match="out_features must be at least 1, got 0"):
        bnn.BinaryLinear(2, 0)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (torch.zeros(1, 3, 5, 5), ValueError, r"\(n, 4, h, w\), got \(1, 3, 5, 5\)"),
        (torch.zeros(4, 5, 5), ValueError, r"\(n, 4, h, w\), got \(4, 5, 5\)"),
        (torch.zeros(1, 4, 5, 5, dtype=torch.uint8), TypeError, "floating-point, got torch.uint8"),
    ],
)
def test_bad_inputs_are_refused_with_what_came(x, error, message):
    with pytest.raises(error, match=message):
        bnn.BinaryConv2d(4, 6, 3)(x)
