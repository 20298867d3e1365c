import math

import numpy as np
import pytest
import torch

from bitgrove.optim import Bop, Bop2ndOrder


def bop2_by_loops(w, gradients, settings, *, unbiased):
    """Oracle: the definition, one number at a time, with its division; also counts flips."""
    w = [1.0 if value >= 0 else -1.0 for value in w]
    m, v, flips = [0.0] * len(w), [0.0] * len(w), 0
    kept_m = kept_v = 1.0
    for (threshold, gamma, sigma), g in zip(settings, gradients, strict=True):
        kept_m, kept_v = kept_m * (1 - gamma), kept_v * (1 - sigma)
        for i in range(len(w)):
            m[i] += gamma * (g[i] - m[i])
            v[i] += sigma * (g[i] ** 2 - v[i])
            first = m[i] / (1 - kept_m) if unbiased else m[i]
            second = v[i] / (1 - kept_v) if unbiased else v[i]
            if w[i] * first / (math.sqrt(second) + 1e-10) > threshold:
                w[i], flips = -w[i], flips + 1
    return np.array(w), np.array(m), np.array(v), flips


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1e-9], ids=["large", "small"])
@pytest.mark.parametrize(
    "setting", [(0.0, 0.3, 0.1), (0.05, 0.3, 0.1), (0.05, 1e-2, 1e-3), (0.5, 1.0, 1.0)]
)
def test_weights_and_averages_follow_the_definition(setting, scale, unbiased):
    rng = np.random.default_rng(0)
    first, gradients = rng.standard_normal(60), rng.standard_normal((12, 60)) * scale
    expected_w, expected_m, expected_v, flips = bop2_by_loops(
        first, gradients, [setting] * 12, unbiased=unbiased
    )
    assert 20 < flips < 12 * 60  # not vacuous
    w = torch.nn.Parameter(torch.from_numpy(first).reshape(5, 12).float())
    optimizer = Bop2ndOrder([w], *setting, unbiased=unbiased)
    for g in gradients:
        w.grad = torch.from_numpy(g).reshape(5, 12).float()
        optimizer.step()
    np.testing.assert_array_equal(w.detach().numpy().ravel(), expected_w)
    state = optimizer.state[w]
    np.testing.assert_allclose(state["momentum"].ravel(), expected_m, rtol=1e-4, atol=1e-6 * scale)
    np.testing.assert_allclose(state["second_moment"].ravel(), expected_v, rtol=1e-5, atol=0)


def test_the_correction_stays_right_while_the_rates_change():
    rng = np.random.default_rng(1)
    first, gradients = rng.standard_normal(60), rng.standard_normal((12, 60))
    settings = [(0.3, 0.5 / (t + 1), 0.01 * (t + 1)) for t in range(12)]
    expected, _, _, flips = bop2_by_loops(first, gradients, settings, unbiased=True)
    biased, *_ = bop2_by_loops(first, gradients, settings, unbiased=False)
    assert flips > 20
    assert (expected != biased).any()
    w = torch.nn.Parameter(torch.from_numpy(first).reshape(5, 12).float())
    optimizer = Bop2ndOrder([w], unbiased=True)
    for (threshold, gamma, sigma), g in zip(settings, gradients, strict=True):
        optimizer.param_groups[0].update(
            threshold=threshold, adaptivity_rate=gamma, second_rate=sigma
        )
        w.grad = torch.from_numpy(g).reshape(5, 12).float()
        optimizer.step()
    np.testing.assert_array_equal(w.detach().numpy().ravel(), expected)


def test_a_constant_gradient_has_the_corrected_ratio_one():
    """Both corrected averages of a constant are exact from the first step, as in Adam."""
    for threshold, flipped in ((0.999, True), (1.001, False)):
        w = torch.nn.Parameter(torch.ones(1, 1))
        optimizer = Bop2ndOrder([w], threshold, 1e-3, 1e-2, unbiased=True)
        w.grad = torch.tensor([[0.25]])
        optimizer.step()
        assert (w.item() == -1) is flipped


def test_multiplying_the_loss_changes_nothing_unlike_in_bop():
    gradients = torch.from_numpy(np.random.default_rng(2).standard_normal((20, 10, 20))).float()
    results = {}
    for kind in (Bop, Bop2ndOrder):
        for factor in (1.0, 1024.0):
            w = torch.nn.Parameter(torch.ones(10, 20))
            optimizer = kind([w], 0.2, 0.1)
            for g in gradients:
                w.grad = g * factor
                optimizer.step()
            results[kind, factor] = w.detach()
    assert torch.equal(results[Bop2ndOrder, 1.0], results[Bop2ndOrder, 1024.0])
    assert not torch.equal(results[Bop, 1.0], results[Bop, 1024.0])


def test_second_rate_out_of_range_is_named():
    with pytest.raises(ValueError, match="second_rate must be above 0 and at most 1, got 0"):
        Bop2ndOrder([torch.nn.Parameter(torch.ones(1, 1))], second_rate=0)
