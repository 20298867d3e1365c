import copy
import pickle

import numpy as np
import pytest
import torch

from bitgrove import nn as bnn

# Slopes and surrogates as the methods are published, in numpy float64; no code is shared.


def logistic(z):
    return 1 / (1 + np.exp(-z))


def clipped(c):
    return (
        lambda x: np.where((x >= -c) & (x <= c), 1.0, 0.0),
        lambda x: np.minimum(np.maximum(x, -c), c),
    )


def approx_surrogate(x):
    return np.select([x < -1, x < 0, x < 1], [-1.0, 2 * x + x * x, 2 * x - x * x], 1.0)


def swish(beta):
    def slope(x):
        z = beta * x
        return beta * (2 - z * np.tanh(z / 2)) / (1 + np.cosh(z))

    return slope, lambda x: 2 * logistic(beta * x) * (1 + beta * x * (1 - logistic(beta * x))) - 1


def ede(t, k):
    return (lambda x: k * t * (1 - np.tanh(t * x) ** 2)), (lambda x: k * np.tanh(t * x))


CASES = [
    (bnn.StraightThrough(), (np.ones_like, lambda x: x)),
    (bnn.Clipped(), clipped(1.0)),
    (bnn.Clipped(clip=1.3), clipped(1.3)),
    (bnn.Stochastic(), clipped(1.0)),
    (
        bnn.Approx(),
        (lambda x: np.where(np.abs(x) <= 1, 2 - 2 * np.abs(x), 0.0), approx_surrogate),
    ),
    (bnn.Swish(), swish(5.0)),
    (bnn.Swish(beta=2.0), swish(2.0)),
    (bnn.EDE(), ede(1.0, 1.0)),
    (bnn.EDE(t=0.1), ede(0.1, 10.0)),
    (bnn.EDE(t=4.0), ede(4.0, 1.0)),
    (bnn.EDE(t=4.0, k=3.0), ede(4.0, 3.0)),
]
IDS = [repr(estimator) for estimator, _ in CASES]

# Both sides of every kink, and far out; the kinks themselves are in a test of their own.
POINTS = np.concatenate([np.linspace(-3.07, 3.03, 201), [-20.0, 20.0]])


def gradient(estimator, x, upstream=None):
    x = torch.as_tensor(x).clone().requires_grad_()
    y = estimator(x)
    y.backward(torch.ones_like(y) if upstream is None else upstream)
    assert x.grad is not None
    return y.detach(), x.grad


@pytest.mark.parametrize(("estimator", "published"), CASES, ids=IDS)
def test_gradient_is_the_upstream_one_times_the_published_slope(estimator, published):
    upstream = torch.from_numpy(np.random.default_rng(0).standard_normal(POINTS.shape))
    _, got = gradient(estimator, POINTS, upstream)
    expected = published[0](POINTS) * upstream.numpy()
    assert np.count_nonzero(expected) > 60  # not vacuous
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-9, atol=1e-14)  # 1 - tanh² cancels


@pytest.mark.parametrize(("estimator", "published"), CASES, ids=IDS)
def test_slope_is_the_derivative_of_the_surrogate(estimator, published):
    h = 1e-6
    expected = (published[1](POINTS + h) - published[1](POINTS - h)) / (2 * h)
    np.testing.assert_allclose(gradient(estimator, POINTS)[1].numpy(), expected, atol=1e-8)


@pytest.mark.parametrize("name", bnn.ESTIMATORS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_forward_is_the_sign_with_both_zeros_positive(name, dtype):
    x = torch.tensor([-torch.inf, -2, -1e-7, -0.0, 0.0, 1e-7, 3, torch.inf], dtype=dtype)
    y = bnn.Estimator.__call__(bnn.ESTIMATORS[name](), x, training=False)
    assert y.dtype == dtype
    assert y.tolist() == [-1, -1, -1, 1, 1, 1, 1, 1]


def test_sign_of_nan_is_minus_one():
    assert bnn.sign(torch.tensor([torch.nan])).item() == -1


def test_the_edge_of_the_clip_still_has_a_gradient():
    edges = np.array([-1.3, -np.nextafter(1.3, 2), 1.3, np.nextafter(1.3, 2)])
    assert gradient(bnn.Clipped(clip=1.3), edges)[1].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("name", bnn.ESTIMATORS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_slopes_in_half_precision_are_near_those_in_double(name, dtype):
    estimator = bnn.ESTIMATORS[name]()
    x = torch.linspace(-14, 14, 1001, dtype=torch.float64).to(dtype)
    got = estimator.slope(x)
    assert got.dtype == dtype
    exact = estimator.slope(x.double())
    tolerance = 16 * torch.finfo(dtype).eps * exact.abs().max()  # a few roundings of the largest
    assert (got.double() - exact).abs().max() <= tolerance


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", bnn.ESTIMATORS)
def test_slopes_stay_finite_at_the_largest_numbers(name, dtype):
    largest = torch.finfo(dtype).max
    x = torch.tensor([-torch.inf, -largest, 0.0, largest, torch.inf], dtype=dtype)
    assert bnn.ESTIMATORS[name]().slope(x).isfinite().all()


def test_magnitude_aware_multiplies_by_the_mean_magnitude_of_each_output():
    rng = np.random.default_rng(1)
    w, g = rng.standard_normal((2, 5, 3, 2, 2))
    w[0, 0, 0, 0], g[0, 0, 0, 0] = 0.0, 2.0
    y, got = gradient(bnn.MagnitudeAware(), w, torch.from_numpy(g))
    for o in range(5):
        a = np.mean([abs(value) for value in w[o].ravel()])
        np.testing.assert_allclose(y[o].numpy(), a * np.where(w[o] >= 0, 1, -1), rtol=1e-12)
        np.testing.assert_allclose(got[o].numpy(), a * (abs(w[o]) <= 1) * g[o], rtol=1e-12)
    assert 0 < (abs(w) > 1).sum() < w.size


@pytest.mark.parametrize(("estimator", "_"), CASES, ids=IDS)
def test_estimators_survive_deepcopy_and_pickle(estimator, _):
    assert copy.deepcopy(estimator) == estimator
    assert pickle.loads(pickle.dumps(estimator)) == estimator


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bnn.Clipped(clip=0), "clip must be above 0 and finite, got 0"),
        (lambda: bnn.MagnitudeAware(clip=-1), "clip must be above 0"),
        (lambda: bnn.Swish(beta=float("inf")), "beta must be above 0 and finite, got inf"),
        (lambda: bnn.EDE(t=float("nan")), "t must be above 0 and finite, got nan"),
        (lambda: bnn.EDE(k=0), "k must be above 0"),
    ],
)
def test_parameters_out_of_range_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_unknown_name_lists_those_available():
    with pytest.raises(
        ValueError, match="input_estimator 'aprox' is unknown; available: identity, clipped, approx"
    ):
        bnn.BinaryLinear(2, 2, input_estimator="aprox")


def test_another_kind_of_estimator_is_refused():
    with pytest.raises(TypeError, match=r"weight_estimator must be a name, an Estimator"):
        bnn.BinaryLinear(2, 2, weight_estimator=bnn.Clipped)  # type: ignore[arg-type]


def test_an_estimator_of_ones_own_reaches_the_gradient():
    class Cubic(bnn.Estimator):
        def slope(self, x):
            return 3 * x.square()

    layer = bnn.BinaryLinear(1, 1, input_estimator=Cubic())
    x = torch.tensor([[0.5]], requires_grad=True)
    layer(x).backward()
    assert x.grad is not None
    assert abs(x.grad.item()) == 0.75


def test_the_identity_keeps_no_input_for_the_backward_pass():
    x = torch.zeros(2, requires_grad=True)
    assert bnn.StraightThrough()(x).grad_fn.saved_tensors == (None,)
    assert bnn.Clipped()(x).grad_fn.saved_tensors[0] is not None


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "estimator",
    [
        *(make() for make in bnn.ESTIMATORS.values()),
        *(bnn.Clipped(clip=c) for c in (0.1, 1.25, 1.3, 1.999, 3.7)),
        bnn.MagnitudeAware(clip=0.7),
    ],
    ids=repr,
)
def test_the_fast_way_back_gives_the_slopes_numbers_bit_for_bit(estimator, dtype):
    torch.manual_seed(0)
    edge = torch.tensor(getattr(estimator, "clip", 1.0), dtype=dtype)
    step = torch.finfo(dtype).eps * torch.tensor([-4, -2, -1, -0.5, 0, 0.5, 1, 2, 4], dtype=dtype)
    x = torch.cat([edge + edge * step, -edge + edge * step, torch.randn(500).to(dtype)])
    assert (x.abs() == edge).any()
    g = torch.randn(x.shape).to(dtype)
    kept = (x if estimator.remembers_input else None), x.clone()
    assert torch.equal(estimator.pull_back(g, kept[0]), g * estimator.slope(x))
    assert torch.equal(estimator.pull_back_(g.clone(), kept[0]), g * estimator.slope(x))
    assert torch.equal(x, kept[1])


@pytest.mark.parametrize("estimator", [bnn.Approx(), bnn.Swish(), bnn.EDE(t=2.0)], ids=repr)
def test_gradients_can_be_differentiated_again(estimator):
    x = torch.tensor([-0.7, -0.2, 0.3, 0.8], dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(estimator(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    h = 1e-6
    with torch.no_grad():
        expected = (estimator.slope(x + h) - estimator.slope(x - h)) / (2 * h)
    torch.testing.assert_close(second, expected, rtol=1e-6, atol=1e-6)
    assert (second != 0).all()
