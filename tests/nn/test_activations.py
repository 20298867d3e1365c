"""Activations against their formulas in numpy."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from bitgrove import nn as bnn

SHAPES = [(5, 3), (5, 3, 4), (5, 3, 4, 2), (5, 3, 2, 4, 2)]


def spread(values, ndim):
    """Oracle's broadcasting: one value per index of axis 1."""
    return np.asarray(values).reshape(1, -1, *[1] * (ndim - 2))


def randomised(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        parameter.data.uniform_(-1, 1)
    return module.double()


def sum_over_channels(x):
    return x.sum(axis=tuple(axis for axis in range(x.ndim) if axis != 1))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rsign_is_the_sign_of_the_shifted_input_with_the_estimators_gradient(shape):
    layer = randomised(bnn.RSign(3))
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    g = torch.randn(shape, dtype=torch.float64)
    y = layer(x)
    y.backward(g)
    moved = x.detach().numpy() + spread(layer.shift.detach(), len(shape))
    np.testing.assert_array_equal(y.detach(), np.where(moved >= 0, 1, -1))
    slope = np.where(abs(moved) <= 1, 2 - 2 * abs(moved), 0) * g.numpy()
    assert 0 < np.count_nonzero(slope) < slope.size
    assert (y.detach().numpy() != np.sign(x.detach().numpy())).any()  # the shift does something
    np.testing.assert_allclose(x.grad, slope, rtol=1e-12)
    np.testing.assert_allclose(layer.shift.grad, sum_over_channels(slope), rtol=1e-12)


def test_rsign_at_its_threshold_is_plus_one():
    layer = bnn.RSign(2)
    layer.shift.data = torch.tensor([0.5, -0.5])
    assert layer(torch.tensor([[-0.5, 0.5]])).tolist() == [[1, 1]]


def test_a_binary_layer_behind_rsign_multiplies_its_signs_and_passes_the_gradient_on():
    torch.manual_seed(0)
    rsign = bnn.RSign(4, estimator="clipped")
    rsign.shift.data.uniform_(-1, 1)
    behind = bnn.BinaryConv2d(4, 6, 3, padding=1, input_estimator="identity")
    whole = copy.deepcopy(behind)
    whole.input_estimator = "clipped"
    x = (torch.randn(2, 4, 5, 5) * 2).requires_grad_()
    moved = (x.detach() + rsign.shift.detach()[:, None, None]).requires_grad_()
    y, expected = behind(rsign(x)), whole(moved)
    assert torch.equal(y, expected)
    g = torch.randn_like(y)
    y.backward(g)
    expected.backward(g)
    assert 0 < (moved.grad == 0).sum() < moved.numel()
    assert torch.equal(x.grad, moved.grad)
    assert torch.equal(behind.weight.grad, whole.weight.grad)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rprelu_is_the_shifted_prelu_and_all_its_parameters_learn(shape):
    layer = randomised(bnn.RPReLU(3))
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    b1, a, b2 = (
        spread(p.detach(), len(shape)) for p in (layer.shift_in, layer.slope, layer.shift_out)
    )
    moved = x.detach().numpy() + b1
    assert 0 < (moved > 0).sum() < moved.size
    y = layer(x)
    np.testing.assert_allclose(
        y.detach(), np.where(moved > 0, moved, a * moved) + b2, rtol=1e-12, atol=1e-12
    )
    g = torch.randn_like(y)
    y.backward(g)
    slope = np.where(moved > 0, 1, a) * g.numpy()
    np.testing.assert_allclose(x.grad, slope, rtol=1e-12)
    np.testing.assert_allclose(layer.shift_in.grad, sum_over_channels(slope), rtol=1e-12)
    np.testing.assert_allclose(layer.shift_out.grad, sum_over_channels(g.numpy()), rtol=1e-12)
    below = sum_over_channels(np.where(moved > 0, 0, moved) * g.numpy())
    np.testing.assert_allclose(layer.slope.grad, below, rtol=1e-12)


def test_a_fresh_rprelu_is_the_usual_prelu():
    x = torch.linspace(-3, 3, 20).reshape(5, 4)
    assert torch.equal(bnn.RPReLU(4)(x), nn.PReLU(4)(x))


@pytest.mark.parametrize("slope", [0.0, 0.1, 0.7, 1.0])
def test_leaky_clip_is_continuous_with_its_slope_outside(slope):
    layer = bnn.LeakyClip(slope)
    x = torch.linspace(-4, 4, 161, dtype=torch.float64, requires_grad=True)
    values = x.detach().numpy()
    expected = np.where(abs(values) <= 1, values, np.sign(values) * (1 - slope) + slope * values)
    y = layer(x)
    y.sum().backward()
    np.testing.assert_allclose(y.detach(), expected, rtol=1e-14)
    inside = abs(values) <= 1
    np.testing.assert_array_equal(y.detach().numpy()[inside], values[inside])
    np.testing.assert_allclose(x.grad, np.where(inside, 1, slope), rtol=1e-14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bnn.RSign(0), "channels must be at least 1, got 0"),
        (lambda: bnn.RPReLU(-1), "channels must be at least 1, got -1"),
        (lambda: bnn.RSign(2, estimator="magnitude_aware"), "estimator='magnitude_aware'"),
        (lambda: bnn.RSign(2, estimator=None), "estimator=None"),  # type: ignore[arg-type]
        (lambda: bnn.RSign(2, estimator="aprox"), "estimator 'aprox' is unknown"),
        (lambda: bnn.LeakyClip(-0.1), r"slope must be in \[0, 1\], got -0.1"),
        (lambda: bnn.LeakyClip(float("nan")), "slope must be"),
        (lambda: bnn.RSign(3)(torch.zeros(2, 4, 5)), r"\(n, 3, \.\.\.\), got \(2, 4, 5\)"),
        (lambda: bnn.RPReLU(3)(torch.zeros(3)), r"\(n, 3, \.\.\.\), got \(3,\)"),
    ],
)
def test_bad_arguments_are_refused_with_the_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_activations_name_their_arguments():
    assert repr(bnn.RSign(2)) == "RSign(2, estimator=Approx())"
    assert repr(bnn.RPReLU(2)) == "RPReLU(2)"
    assert repr(bnn.LeakyClip()) == "LeakyClip(slope=0.1)"
