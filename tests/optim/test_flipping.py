"""What holds for every optimiser that flips bits."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch

from bitgrove.nn import BinaryLinear
from bitgrove.optim import Bop, Bop2ndOrder
from bitgrove.optim import _flipping as flipping

KINDS = {
    "bop": lambda params: Bop(params, 1e-5, 1e-3),
    "second": lambda params: Bop2ndOrder(params, 0.02, 1e-3, 1e-2),
    "unbiased": lambda params: Bop2ndOrder(params, 0.1, 1e-3, 1e-2, unbiased=True),
}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def make(request):
    return request.param


def gradients(shape, seed=0, steps=10):
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.standard_normal(shape)).float() * 1e-2 for _ in range(steps)]


def run(optimizer, w, some):
    for g in some:
        w.grad = g.to(w.dtype)
        optimizer.step()


def flipped_some(w):
    return 0 < (w == -1).sum() < w.numel()


def same_state(a, b):
    return all(
        torch.equal(value, b[name]) if isinstance(value, torch.Tensor) else value == b[name]
        for name, value in a.items()
    )


def test_any_weight_is_plus_or_minus_one_after_a_step(make):
    w = torch.nn.Parameter(torch.tensor([[0.3, -0.2, 0.0, -0.0, 5.0, -1.0]]))
    run(make([w]), w, [torch.zeros(1, 6)])
    assert w.tolist() == [[1, -1, 1, 1, 1, -1]]


def test_zero_gradients_flip_nothing_whatever_their_sign(make):
    """With a threshold of 0 the comparison is a tie, and both signs of zero meet both of w."""
    w = torch.nn.Parameter(torch.tensor([[1.0, 1.0, -1.0, -1.0]]))
    optimizer = make([w])
    optimizer.param_groups[0]["threshold"] = 0.0
    run(optimizer, w, [torch.tensor([[0.0, -0.0, 0.0, -0.0]])] * 3)
    assert w.tolist() == [[1, 1, -1, -1]]


@pytest.mark.parametrize("w0", [1.0, -1.0])
def test_an_average_at_the_threshold_keeps_either_sign(w0):
    w = torch.nn.Parameter(torch.full((1, 3), w0))
    run(Bop([w], 0.5, 1.0), w, [torch.tensor([[0.5, -0.5, 0.0]])])
    assert w.tolist() == [[w0] * 3]


def test_exactly_the_weights_under_a_pressure_above_one_flip(make):
    w = torch.nn.Parameter(torch.ones(5, 10))
    optimizer = make([w])
    assert optimizer.pressure(w) is None
    flips = 0
    for g in gradients((5, 10), steps=40):
        before = w.detach().clone()
        run(optimizer, w, [g + 5e-3])
        flipped = w != before
        flips += int(flipped.sum())
        assert torch.equal(flipped, before * optimizer.pressure(w) > 1)
    assert 20 < flips < 50 * 40
    optimizer.param_groups[0]["threshold"] = 0.0
    assert optimizer.pressure(w) is None
    with pytest.raises(ValueError, match=r"w is none of the parameters of this Bop"):
        optimizer.pressure(torch.ones(5, 10))


@pytest.mark.parametrize(
    ("shape", "layout"),
    [((64, 7, 3, 3), torch.contiguous_format), ((64, 7, 3, 3), torch.channels_last)],
    ids=["contiguous", "channels_last"],
)
def test_large_weights_are_updated_in_blocks_to_the_same_result(make, monkeypatch, shape, layout):
    some = gradients(shape)
    results = []
    for block in (1 << 30, 100):
        monkeypatch.setattr(flipping, "_BLOCK", block)
        w = torch.nn.Parameter(torch.ones(shape).to(memory_format=layout))
        optimizer = make([w])
        run(optimizer, w, some)
        results.append((w, optimizer.state[w]))
    (whole, whole_state), (blocks, blocks_state) = results
    assert flipped_some(whole)
    assert torch.equal(whole, blocks)
    assert same_state(whole_state, blocks_state)


@pytest.mark.parametrize("shape", [(0, 3), (1, 300), (300, 1)])
def test_odd_shapes_are_no_exception(make, monkeypatch, shape):
    monkeypatch.setattr(flipping, "_BLOCK", 100)
    w = torch.nn.Parameter(torch.ones(shape))
    run(make([w]), w, [torch.full(shape, 0.5)] * 30)
    assert torch.equal(w, -torch.ones(shape))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_flip_as_float32_does(make, dtype):
    some = [g.to(dtype).float() for g in gradients((5, 10))]  # the same numbers for both
    w32, w = (torch.nn.Parameter(torch.ones(5, 10, dtype=d)) for d in (torch.float32, dtype))
    reference, optimizer = make([w32]), make([w])
    run(reference, w32, some)
    run(optimizer, w, some)
    assert flipped_some(w32)
    assert w.dtype == dtype
    assert torch.equal(w.float(), w32)
    assert same_state(reference.state[w32], optimizer.state[w])


def resumed_by_state_dict(make, w, optimizer):
    buffer = io.BytesIO()
    torch.save(optimizer.state_dict(), buffer)
    buffer.seek(0)
    w2 = torch.nn.Parameter(w.detach().clone())
    fresh = make([w2])
    fresh.load_state_dict(torch.load(buffer, weights_only=True))
    return w2, fresh


def resumed_by_pickle(make, w, optimizer):
    return pickle.loads(pickle.dumps((w, optimizer)))


def resumed_by_deepcopy(make, w, optimizer):
    return copy.deepcopy((w, optimizer))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("resume", [resumed_by_state_dict, resumed_by_pickle, resumed_by_deepcopy])
def test_resumed_training_is_the_same_to_the_bit(make, resume, dtype):
    some = gradients((5, 8), seed=1)
    w = torch.nn.Parameter(torch.ones(5, 8, dtype=dtype))
    optimizer = make([w])
    run(optimizer, w, some[:5])
    w2, again = resume(make, w, optimizer)
    assert w2 is not w
    assert w2.dtype == dtype
    run(optimizer, w, some[5:])
    run(again, w2, some[5:])
    assert flipped_some(w)
    assert torch.equal(w, w2)
    assert same_state(optimizer.state[w], again.state[w2])
    assert again.state[w2]["momentum"].dtype == torch.float32


@pytest.mark.parametrize("bad", [float("inf"), float("-inf"), float("nan")])
def test_a_gradient_that_is_not_finite_is_refused_before_anything_changes(make, bad):
    a, b = (torch.nn.Parameter(torch.tensor([[1.0, -1.0]])) for _ in range(2))
    optimizer = make([a, b])
    a.grad, b.grad = torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, bad]])
    with pytest.raises(ValueError, match="a gradient of a binary weight is not finite"):
        optimizer.step()
    assert a.tolist() == b.tolist() == [[1, -1]]
    assert not optimizer.state


def test_the_check_can_be_left_out(make):
    w = torch.nn.Parameter(torch.ones(1, 1))
    optimizer = make([w])
    optimizer.param_groups[0]["check_finite"] = False
    run(optimizer, w, [torch.tensor([[float("nan")]])])
    assert optimizer.state[w]["momentum"].isnan()


def test_large_float16_gradients_do_not_look_infinite(make):
    w = torch.nn.Parameter(torch.ones(10, 100, dtype=torch.float16))
    run(make([w]), w, [torch.full((10, 100), 6e4)] * 10)  # whose sum is beyond float16
    assert (w == -1).all()


def test_a_setting_changed_out_of_its_range_is_refused_at_the_step(make):
    w = torch.nn.Parameter(torch.ones(1, 1))
    optimizer = make([w])
    optimizer.param_groups[0]["adaptivity_rate"] = 0.0
    with pytest.raises(ValueError, match="adaptivity_rate must be above 0 and at most 1, got 0"):
        run(optimizer, w, [torch.ones(1, 1)])


@pytest.mark.parametrize("setting", ["weight_decay", "lr", "momentum"])
def test_settings_that_are_not_used_are_refused(make, setting):
    with pytest.raises(ValueError, match=rf"Bop\w* has no {setting}"):
        make([{"params": [torch.nn.Parameter(torch.ones(1, 1))], setting: 0.1}])


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.norm = BinaryLinear(4, 3), torch.nn.BatchNorm1d(3)


@pytest.mark.parametrize(
    "give",
    [
        lambda net: net.parameters(),
        lambda net: net.named_parameters(),
        lambda net: [{"params": net.parameters()}],
        lambda net: [{"params": net.fc.weight}, {"params": net.norm.bias}],
        lambda net: [torch.nn.Parameter(torch.ones(()))],
    ],
)
def test_parameters_that_cannot_be_binary_weights_are_refused(make, give):
    net = Net()
    shape = r"\((3,)?\)"
    with pytest.raises(ValueError, match=rf"of shape {shape}.*split_parameters\(model\)"):
        make(give(net))


def test_a_group_that_is_refused_is_not_added(make):
    net = Net()
    optimizer = make(net.fc.named_parameters())
    with pytest.raises(ValueError, match=r"'norm.bias' of shape \(3,\)"):
        optimizer.add_param_group({"params": [("norm.bias", net.norm.bias)]})
    assert len(optimizer.param_groups) == 1
    optimizer.add_param_group({"params": iter([("w", torch.nn.Parameter(torch.ones(2, 2)))])})
    assert len(optimizer.param_groups[1]["params"]) == 1


def test_sparse_gradients_are_refused(make):
    table = torch.nn.Embedding(3, 2, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(TypeError, match="dense gradients"):
        make(table.parameters()).step()


def trained(make, *, scaler=None, dtype=None, factor=1.0, steps=8):
    """Weights of a layer after some steps, with a loss scale or autocast or neither."""
    torch.manual_seed(0)
    layer, x, target = BinaryLinear(24, 10), torch.randn(64, 24), torch.randn(64, 10)
    optimizer = make(layer.parameters())
    for _ in range(steps):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
            loss = ((layer(x) - target) ** 2).mean() * factor
        if scaler is None:
            loss.backward()
            optimizer.step()
        else:
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
    return layer.weight.detach(), optimizer


def test_a_loss_scale_changes_no_flip(make):
    plain, _ = trained(make)
    # A power of two: scaling and unscaling are exact.
    scaled, _ = trained(make, scaler=torch.amp.GradScaler("cpu", init_scale=2.0**16))
    start, _ = trained(make, steps=1)
    assert not torch.equal(plain, start)
    assert torch.equal(plain, scaled)


def test_gradients_unscaled_for_clipping_are_not_unscaled_again(make):
    plain, _ = trained(make, steps=1)
    torch.manual_seed(0)
    layer, x, target = BinaryLinear(24, 10), torch.randn(64, 24), torch.randn(64, 10)
    optimizer, scaler = make(layer.parameters()), torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale(((layer(x) - target) ** 2).mean()).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(layer.parameters(), 1e9)
    scaler.step(optimizer)
    assert torch.equal(layer.weight, plain)


def test_a_step_that_overflowed_is_skipped_by_the_scaler(make):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16, growth_interval=10**6)
    weight, optimizer = trained(make, scaler=scaler, factor=1e37, steps=1)
    torch.manual_seed(0)
    assert torch.equal(weight, BinaryLinear(24, 10).weight)
    assert not optimizer.state
    assert scaler.get_scale() == 2.0**15


def test_autocast_flips_almost_as_float32_does(make):
    plain, _ = trained(make)
    rounded, optimizer = trained(make, dtype=torch.bfloat16)
    start, _ = trained(make, steps=1)
    assert rounded.dtype == torch.float32
    assert next(iter(optimizer.state.values()))["momentum"].dtype == torch.float32
    changed = (plain != start).float().mean()
    assert (plain != rounded).float().mean() < 0.2 * changed
