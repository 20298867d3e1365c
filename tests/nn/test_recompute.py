"""What the fast way of a float32 layer keeps, and that it changes no bit of its gradients."""

import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bitgrove import nn as bnn
from bitgrove.nn import _kernels

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
LAYERS = {1: bnn.BinaryConv1d, 2: bnn.BinaryConv2d, 3: bnn.BinaryConv3d}
SIZES = {1: (9,), 2: (7, 6), 3: (4, 5, 6)}
FORMATS = {2: torch.channels_last, 3: torch.channels_last_3d}


def signs(x):
    return torch.tensor(np.where(x.detach().numpy() >= 0, 1, -1), dtype=x.dtype)


def defined(layer, x, g, weight_signs=None):
    """Oracle: torch's gradients on explicit signs, times the slopes."""
    sx = signs(x).requires_grad_()
    sw = (signs(layer.weight) if weight_signs is None else weight_signs).requires_grad_()
    y = CONVOLUTIONS[layer.dimensions](
        sx, sw, None, layer.stride, layer.padding, layer.dilation, layer.groups
    )
    y.backward(g)
    with torch.no_grad():
        slopes = layer.input_estimator.slope(x), layer.weight_estimator.slope(layer.weight)
        return y.detach(), sx.grad * slopes[0], sw.grad * slopes[1]


def kept_storages(compute):
    """Pointers of all memory that autograd keeps while ``compute`` runs."""
    found = set()

    def pack(tensor):
        found.add(tensor.untyped_storage().data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = compute()
    return y, found


DETERMINISTIC = ["clipped", bnn.Clipped(clip=1.3), "approx", "swish", "ede"]


@pytest.mark.parametrize("layout", ["contiguous", "channels last", "strided", "expanded"])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("estimator", DETERMINISTIC, ids=str)
def test_gradients_are_the_defined_ones_bit_for_bit(estimator, dimensions, layout):
    torch.manual_seed(0)
    options = {"padding": 1, "pad_value": 0, "stride": 2, "groups": 2}
    layer = LAYERS[dimensions](
        4, 6, 3, input_estimator=estimator, weight_estimator="approx", **options
    )
    x = torch.randn(3, 4, *SIZES[dimensions])
    x.flatten()[:4] = torch.tensor([0.0, -0.0, 1.0, -1.0])
    if layout == "channels last" and dimensions > 1:
        x = x.to(memory_format=FORMATS[dimensions])
        layer = layer.to(memory_format=FORMATS[dimensions])
    elif layout == "strided":
        x = torch.randn(6, 4, *SIZES[dimensions])[::2]
    elif layout == "expanded":
        x = x[:1].expand(3, *x.shape[1:])
    x = x.detach().requires_grad_()
    y = layer(x)
    g = torch.randn_like(y)
    expected = defined(layer, x, g)
    kept = x.detach().clone()
    y.backward(g)
    for got, wanted in zip((y, x.grad, layer.weight.grad), expected, strict=True):
        assert torch.equal(got, wanted)
        assert got.count_nonzero() > 20  # not vacuous
    assert torch.equal(x, kept)


def test_only_the_input_and_the_latent_weight_are_kept():
    layer = bnn.BinaryConv2d(4, 8, 3, padding=1, pad_value=0, input_estimator="approx")
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    y, kept = kept_storages(lambda: layer(x))
    assert kept == {t.untyped_storage().data_ptr() for t in (x, layer.weight)}
    y.sum().backward()


def test_drawn_signs_are_kept_and_not_drawn_again():
    layer = bnn.BinaryConv2d(4, 8, 3, pad_value=0, weight_estimator="stochastic")
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    torch.manual_seed(3)
    drawn = bnn.Stochastic()(layer.weight).detach()
    torch.manual_seed(3)
    y = layer(x)
    g = torch.randn_like(y)
    y.backward(g)
    assert 10 < (drawn != signs(layer.weight)).sum() < 200  # not vacuous
    for got, wanted in zip(
        (y, x.grad, layer.weight.grad), defined(layer, x, g, drawn), strict=True
    ):
        assert torch.equal(got, wanted)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("which", [0, 1])
def test_one_gradient_may_be_asked_for(which, create_graph):
    torch.manual_seed(0)
    layer = bnn.BinaryConv2d(4, 8, 3, pad_value=0, input_estimator="approx")
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    y = layer(x)
    g = torch.randn_like(y)
    asked = (x, layer.weight)[which]
    (got,) = torch.autograd.grad(y, asked, g, create_graph=create_graph)
    assert torch.equal(got, defined(layer, x, g)[1 + which])


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_weight_may_be_frozen(create_graph):
    torch.manual_seed(0)
    layer = bnn.BinaryConv2d(4, 8, 3, pad_value=0, input_estimator="approx").requires_grad_(False)
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    y = layer(x)
    g = torch.randn_like(y)
    (got,) = torch.autograd.grad(y, x, g, create_graph=create_graph)
    assert torch.equal(got, defined(layer, x.detach(), g)[1])
    assert layer.weight.grad is None


def test_a_weight_alone_is_trained():
    torch.manual_seed(0)
    layer = bnn.BinaryConv2d(4, 8, 3, pad_value=0, input_estimator="approx")
    x = torch.randn(2, 4, 6, 6)
    y = layer(x)
    g = torch.randn_like(y)
    y.backward(g)
    assert torch.equal(layer.weight.grad, defined(layer, x, g)[2])


def test_a_threshold_of_ones_own_is_compared_with():
    class Half(bnn.Clipped):
        def threshold(self, x, training):
            return 0.5

    x = torch.tensor([[[0.4, 0.5]]], requires_grad=True)
    assert Half()(x).tolist() == [[[-1, 1]]]
    layer = bnn.BinaryConv1d(1, 1, 1, pad_value=0, input_estimator=Half(), weight_estimator=None)
    layer.weight.data.fill_(1)
    assert layer(x).tolist() == [[[-1, 1]]]


@pytest.mark.parametrize("weight_estimator", ["swish", None])
@pytest.mark.parametrize("pad_value", [-1, 0])
def test_second_derivatives_are_those_of_double_precision(weight_estimator, pad_value):
    torch.manual_seed(0)
    options = {"input_estimator": "ede", "weight_estimator": weight_estimator}
    layer = bnn.BinaryConv2d(2, 3, 3, padding=1, pad_value=pad_value, **options)
    x = torch.randn(2, 2, 5, 5)
    found = []
    for dtype in (torch.float32, torch.float64):  # the second goes autograd's own way
        layer, x = layer.to(dtype), x.detach().to(dtype).requires_grad_()
        wanted = (x, layer.weight)
        first = torch.autograd.grad(layer(x).square().sum(), wanted, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), wanted)
        found.append([t.double() for t in (*first, *second)])
    for single, double in zip(*found, strict=True):
        assert double.count_nonzero() > 0.9 * double.numel()
        torch.testing.assert_close(single, double, rtol=1e-5, atol=1e-5 * double.abs().max().item())


def test_a_weight_changed_before_the_backward_pass_is_refused():
    layer = bnn.BinaryConv2d(4, 8, 3, pad_value=0, input_estimator="approx")
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    y = layer(x)
    with torch.no_grad():
        layer.weight.neg_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_an_estimator_assigned_after_the_forward_pass_waits_for_the_next():
    layer = bnn.BinaryConv2d(4, 8, 3, pad_value=0, input_estimator="approx")
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    y = layer(x)
    g = torch.randn_like(y)
    expected = defined(layer, x, g)[1]
    layer.input_estimator = "clipped"
    y.backward(g)
    assert torch.equal(x.grad, expected)


def test_a_backward_pass_may_be_repeated():
    layer = bnn.BinaryConv2d(4, 8, 3, pad_value=0, input_estimator="approx")
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    y, g = layer(x), torch.randn(2, 8, 4, 4)
    first = torch.autograd.grad(y, (x, layer.weight), g, retain_graph=True)
    layer(torch.randn(1, 4, 20, 20, requires_grad=True))  # writes over the memory of the signs
    second = torch.autograd.grad(y, (x, layer.weight), g)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


def test_threads_do_not_share_the_memory_of_the_signs():
    x = torch.randn(1000)
    mine = _kernels.brief_signs(x)
    other = threading.Thread(target=lambda: _kernels.brief_signs(-x))
    other.start()
    other.join()
    assert torch.equal(mine, signs(x))
    assert _kernels.brief_signs(x).data_ptr() == mine.data_ptr()


LAYOUTS = {
    "dense": lambda x: x,
    "channels last": lambda x: x.to(memory_format=torch.channels_last),
    "permuted": lambda x: x.permute(2, 0, 3, 1),
    "with holes": lambda x: x[:, ::2],
    "offset": lambda x: x.flatten()[3:],
    "expanded": lambda x: x[:1].expand(5, 4, 6, 7),
    "empty": lambda x: x[:0],
}


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_kernels_serve_every_layout(layout, alike):
    torch.manual_seed(0)
    x = LAYOUTS[layout](torch.randn(3, 4, 6, 7))
    assert torch.equal(_kernels.signs(x), signs(x))
    assert torch.equal(_kernels.brief_signs(x), signs(x))
    gradient = torch.randn_like(x) if alike else torch.randn((*x.shape, 2))[..., 0]
    expected = gradient * bnn.Approx().slope(x)
    assert torch.equal(_kernels.approx_gradient(gradient, x), expected)
    assert torch.equal(_kernels.approx_gradient_(gradient, x), expected)
    assert torch.equal(gradient, expected)


def test_a_gradient_with_holes_keeps_what_lies_in_them():
    torch.manual_seed(0)
    x, whole = torch.randn(2, 3, 4, 6, 7)
    gradient, before = whole[:, ::2], whole.clone()
    expected = gradient * bnn.Approx().slope(x[:, ::2])
    _kernels.approx_gradient_(gradient, x[:, ::2])
    assert torch.equal(gradient, expected)
    assert torch.equal(whole[:, 1::2], before[:, 1::2])


def test_a_traced_sign_is_computed_anew():
    from torch.fx.experimental.proxy_tensor import make_fx

    traced = make_fx(bnn.sign)(torch.ones(3))
    assert traced(torch.tensor([-1.0, 0.0, 1.0])).tolist() == [-1, 1, 1]


def test_tensors_without_memory_have_signs_too():
    from torch._subclasses import FakeTensorMode

    with FakeTensorMode() as mode:
        x = mode.from_tensor(torch.ones(2, 3), static_shapes=True)
        assert bnn.sign(x).shape == (2, 3)
        layer = bnn.BinaryConv2d(1, 2, 1, pad_value=0)
        assert layer(torch.empty(1, 1, 2, 2, requires_grad=True)).shape == (1, 2, 2, 2)
    real = torch.ones(1 << 20)  # more than the memory kept
    with FakeTensorMode(allow_non_fake_inputs=True):
        _kernels.brief_signs(real)
    assert torch.equal(_kernels.brief_signs(real), real)  # in memory that is real


def test_operators_say_what_they_do():
    x, g = torch.randn(2, 3), torch.randn(2, 3)
    operators = torch.ops.bitgrove
    tests = ("test_schema", "test_faketensor")
    for operator, arguments in (
        (operators.signs, (x,)),
        (operators.signs_into, (x, g.clone())),
        (operators.approx_gradient, (g, x)),
        (operators.approx_gradient_, (g, x)),
    ):
        torch.library.opcheck(operator.default, arguments, test_utils=tests)
