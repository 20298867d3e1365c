"""The stochastic sign: its law, its gradient, and who decides between training and evaluation."""

import pytest
import torch
from torch import nn

from bitgrove import nn as bnn


def hard_sigmoid(x):
    return min(max((x + 1) / 2, 0.0), 1.0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [-1.5, -1.0, -0.99609375, -0.7, 0.0, 0.125, 0.9, 1.0])
def test_plus_one_is_drawn_with_the_hard_sigmoid_as_probability(value, dtype):
    torch.manual_seed(0)
    n = 40_000
    x = torch.full((n,), value, dtype=dtype)
    y = bnn.Stochastic()(x)
    assert y.dtype == dtype
    assert set(y.unique().tolist()) <= {-1.0, 1.0}
    p = hard_sigmoid(x[0].item())
    share = (y > 0).double().mean().item()
    if p in (0, 1):
        assert share == p
    else:
        assert abs(share - p) < 4.5 * (p * (1 - p) / n) ** 0.5


def test_the_edges_are_certain_at_the_ends_of_the_generators_range(monkeypatch):
    edges = torch.tensor([-1.0, 1.0])
    for end in (0.0, 1 - 2**-24):
        monkeypatch.setattr(torch, "rand_like", lambda x, end=end, **_: torch.full_like(x, end))
        assert bnn.Stochastic()(edges).tolist() == [-1, 1]


def test_evaluation_is_the_sign_and_draws_nothing():
    x = torch.tensor([-0.9, -0.0, 0.0, 0.1, torch.nan])
    torch.manual_seed(0)
    state = torch.get_rng_state()
    assert bnn.Stochastic()(x, training=False).tolist() == [-1, 1, 1, 1, -1]
    assert torch.equal(torch.get_rng_state(), state)


def test_gradient_is_the_clipped_one_and_the_input_is_left_alone():
    x = torch.tensor([-1.01, -1.0, 0.3, 1.0, 1.01], requires_grad=True)
    before = x.detach().clone()
    g = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    bnn.Stochastic()(x).backward(g)
    assert x.grad is not None
    assert x.grad.tolist() == [0, 2, 3, 4, 0]
    assert torch.equal(x.detach(), before)


def test_the_seed_decides_the_draws():
    x = torch.zeros(1000)
    torch.manual_seed(3)
    first, second = bnn.Stochastic()(x), bnn.Stochastic()(x)
    torch.manual_seed(3)
    assert torch.equal(bnn.Stochastic()(x), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    "make",
    [
        lambda: bnn.BinaryLinear(64, 8, input_estimator="stochastic"),
        lambda: bnn.BinaryLinear(64, 8, weight_estimator="stochastic"),
        lambda: nn.Sequential(
            nn.Unflatten(1, (4, 4, 4)),
            bnn.BinaryConv2d(4, 8, 3, padding=1, input_estimator="stochastic"),
        ),
        lambda: nn.Sequential(nn.Unflatten(1, (4, 4, 4)), bnn.RSign(4, estimator="stochastic")),
    ],
    ids=["linear input", "linear weight", "convolution", "RSign"],
)
def test_layers_draw_in_training_and_not_in_evaluation(make):
    torch.manual_seed(0)
    model, x = make(), torch.randn(3, 64) / 2
    assert not torch.equal(model(x), model(x))
    model.eval()
    evaluated = model(x)
    assert torch.equal(model(x), evaluated)
    for module in model.modules():
        for name in ("input_estimator", "weight_estimator", "estimator"):
            if isinstance(getattr(module, name, None), bnn.Stochastic):
                setattr(module, name, "clipped")
    assert torch.equal(model(x), evaluated)
