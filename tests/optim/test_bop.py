import copy
import io

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


def test_latent_weights_become_their_signs_at_the_first_step():
    w = torch.nn.Parameter(torch.tensor([0.3, -0.2, 0.0, -0.0, 1.0]))
    w.grad = torch.zeros(5)
    Bop([w]).step()
    assert w.tolist() == [1, -1, 1, 1, 1]


def test_an_average_equal_to_the_threshold_does_not_flip():
    w = torch.nn.Parameter(torch.ones(2))
    w.grad = torch.tensor([0.5, 0.5000001])
    Bop([w], threshold=0.5, adaptivity_rate=1.0).step()
    assert w.tolist() == [1, -1]


def test_a_parameter_without_a_gradient_is_left_alone():
    w = torch.nn.Parameter(torch.tensor([0.3]))
    Bop([w]).step()
    assert w.item() == pytest.approx(0.3)


def test_groups_have_settings_of_their_own():
    a, b = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizer = Bop([{"params": [a], "threshold": 2.0}, {"params": [b]}], 0.1, 1.0)
    a.grad, b.grad = torch.ones(1), torch.ones(1)
    optimizer.step()
    assert (a.item(), b.item()) == (1, -1)
    optimizer.param_groups[0]["threshold"] = 0.5  # a schedule
    optimizer.step()
    assert a.item() == -1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_training_resumed_from_a_state_dict_is_the_same(dtype):
    rng = np.random.default_rng(1)
    gradients = rng.standard_normal((10, 40)) * 1e-2
    options = {"threshold": 1e-5, "adaptivity_rate": 1e-3}  # steps that bfloat16 would round away
    w = torch.nn.Parameter(torch.ones(40, dtype=dtype))
    optimizer = Bop([w], **options)
    run(optimizer, w, gradients[:5])
    buffer = io.BytesIO()
    torch.save(optimizer.state_dict(), buffer)
    buffer.seek(0)
    w2 = copy.deepcopy(w)
    resumed = Bop([w2], **options)
    resumed.load_state_dict(torch.load(buffer, weights_only=True))
    assert resumed.state[w2]["momentum"].dtype == torch.float32
    assert torch.equal(resumed.state[w2]["momentum"], optimizer.state[w]["momentum"])
    run(optimizer, w, gradients[5:])
    run(resumed, w2, gradients[5:])
    assert 0 < (w == -1).sum() < 40
    assert torch.equal(w, w2)
    assert torch.equal(resumed.state[w2]["momentum"], optimizer.state[w]["momentum"])


def test_a_closure_is_evaluated_with_gradients():
    w = torch.nn.Parameter(torch.ones(3))

    def closure():
        w.grad = None
        loss = (2 * w).sum()
        loss.backward()
        return loss.item()

    assert Bop([w], 0.1, 1.0).step(closure) == 6
    assert w.tolist() == [-1, -1, -1]


@pytest.mark.parametrize("setting", ["weight_decay", "lr", "momentum"])
def test_settings_that_bop_does_not_use_are_refused(setting):
    w = torch.nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match=f"Bop has no {setting}"):
        Bop([{"params": [w], setting: 0.1}])


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
        Bop([torch.nn.Parameter(torch.ones(1))], **options)


def test_sparse_gradients_are_refused():
    table = torch.nn.Embedding(3, 2, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(TypeError, match="dense gradients"):
        Bop(table.parameters()).step()
