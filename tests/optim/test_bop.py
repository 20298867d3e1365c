import numpy as np
import pytest
import torch

from bitgrove.optim import Bop


def bop_by_loops(w, gradients, threshold, rate):
    """Oracle: algorithm 1, one number at a time; also counts flips."""
    w = [1.0 if value >= 0 else -1.0 for value in w]
    m, flips = [0.0] * len(w), 0
    for g in gradients:
        for i in range(len(w)):
            m[i] = (1 - rate) * m[i] + rate * float(g[i])
            if m[i] * w[i] > threshold:
                w[i], flips = -w[i], flips + 1
    return np.array(w), np.array(m), flips


def run(optimizer, w, gradients):
    for g in gradients:
        w.grad = torch.from_numpy(g).reshape(w.shape).to(w.dtype)
        optimizer.step()


@pytest.mark.parametrize(("threshold", "rate"), [(0.0, 0.3), (0.05, 0.3), (1e-3, 1e-2), (0.4, 1.0)])
def test_weights_and_averages_follow_the_algorithm(threshold, rate):
    rng = np.random.default_rng(0)
    first, gradients = rng.standard_normal(60), rng.standard_normal((12, 60))
    expected_w, expected_m, flips = bop_by_loops(first, gradients, threshold, rate)
    assert 20 < flips < 12 * 60  # not vacuous
    w = torch.nn.Parameter(torch.from_numpy(first).reshape(5, 12).double())
    optimizer = Bop([w], threshold=threshold, adaptivity_rate=rate)
    run(optimizer, w, gradients)
    np.testing.assert_array_equal(w.detach().numpy().ravel(), expected_w)
    m = optimizer.state[w]["momentum"]
    assert m.dtype == torch.float32
    np.testing.assert_allclose(m.ravel(), expected_m, rtol=1e-4, atol=1e-6)


def test_a_parameter_without_a_gradient_is_left_alone():
    w = torch.nn.Parameter(torch.tensor([[0.3]]))
    Bop([w]).step()
    assert w.item() == pytest.approx(0.3)


def test_groups_have_settings_of_their_own():
    a, b = (torch.nn.Parameter(torch.ones(1, 1)) for _ in range(2))
    optimizer = Bop([{"params": [a], "threshold": 2.0}, {"params": [b]}], 0.1, 1.0)
    a.grad, b.grad = torch.ones(1, 1), torch.ones(1, 1)
    optimizer.step()
    assert (a.item(), b.item()) == (1, -1)
    optimizer.param_groups[0]["threshold"] = 0.5  # a schedule
    optimizer.step()
    assert a.item() == -1


def test_a_closure_is_evaluated_with_gradients():
    w = torch.nn.Parameter(torch.ones(1, 3))

    def closure():
        w.grad = None
        loss = (2 * w).sum()
        loss.backward()
        return loss.item()

    assert Bop([w], 0.1, 1.0).step(closure) == 6
    assert w.tolist() == [[-1, -1, -1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": -1e-8}, "threshold must be at least 0 and finite, got -1e-08"),
        ({"threshold": float("nan")}, "threshold must be at least 0"),
        ({"adaptivity_rate": 0}, "adaptivity_rate must be above 0 and at most 1, got 0"),
        ({"adaptivity_rate": 1.5}, "adaptivity_rate must be above 0 and at most 1, got 1.5"),
    ],
)
def test_numbers_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Bop([torch.nn.Parameter(torch.ones(1, 1))], **options)
