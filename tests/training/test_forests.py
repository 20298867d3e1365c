"""Leaves in turns with splits, and the slope, as the method says."""

import copy

import pytest
import torch
from torch import nn

from bitgrove.nn import NeuralDecisionForest
from bitgrove.training import (
    Constant,
    Gradient,
    LeafUpdates,
    Linear,
    Method,
    TrainingConfig,
    fit,
    refit_leaves,
)
from bitgrove.training._batches import Batches


def network(**options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        forest = NeuralDecisionForest(64, 2, **{"trees": 2, "depth": 3} | options)
        return nn.Sequential(nn.Flatten(), forest)


def config(epochs=3, **method):
    rule = Method(real=Gradient(kind="sgd", lr=Constant(0.1), momentum=0.0), **method)
    return TrainingConfig(epochs=epochs, batch_size=16, method=rule, shift=0)


@pytest.fixture
def trained(train, validation, tmp_path):
    def start(model, settings, out="run", **options):
        options = {"accelerator": "cpu", "progress": False} | options
        return fit(model, train, validation, tmp_path / out, settings, **options)

    return start


def last_state(result):
    state = torch.load(result.last_checkpoint, weights_only=True)["state_dict"]
    return {name.removeprefix("model."): value for name, value in state.items()}


def test_leaves_are_learnt_from_the_last_samples_of_the_epoch(train, trained):
    """Oracle: the turns written out, beside plain descent on the same batches."""
    settings = config(leaves=LeafUpdates(every=3, samples=20, iterations=4))
    oracle, model = network(), network()
    result = trained(model, settings)
    forest = oracle[1]
    batches = Batches(train, train.preprocessing(), batch_size=16, shuffle=True, seed=0)
    for epoch in range(3):
        batches.epoch = epoch
        seen = []
        for number, (x, y) in enumerate(batches):
            oracle.zero_grad()
            nn.functional.cross_entropy(oracle(x), y).backward()
            with torch.no_grad():
                for parameter in oracle.parameters():
                    parameter -= 0.1 * parameter.grad
            seen.append((x.flatten(1), y))
            if (epoch == 0 and number == 0) or number in (2, 3):  # every third, and the last
                xs, ys = (torch.cat(part)[-20:] for part in zip(*seen, strict=True))
                forest.update_leaves(xs, ys, iterations=4)
    assert len(batches) == 4
    state = last_state(result)
    assert not torch.allclose(state["1.leaf"], torch.tensor(0.5))
    for name, value in oracle.state_dict().items():
        torch.testing.assert_close(state[name], value, rtol=1e-4, atol=1e-5)


def test_a_resumed_run_ends_as_one_that_was_not_interrupted(trained, train, validation, tmp_path):
    settings = config(leaves=LeafUpdates(every=3), slope=Linear(1.0, 5.0))
    whole = trained(network(), settings)

    class HaltError(Exception):
        pass

    model = network()
    counter = iter(range(100))

    def stop(*_):
        if next(counter) == 6:  # in the second epoch
            raise HaltError

    handle = model[0].register_forward_pre_hook(stop)
    with pytest.raises(HaltError):
        trained(model, settings, out="cut")
    handle.remove()
    again = trained(network(), settings, out="cut", resume=True)
    first, second = last_state(whole), last_state(again)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_slope_follows_its_schedule(trained):
    model = network(leaves="gradient")
    slopes = []
    model[1].register_forward_pre_hook(
        lambda m, _: slopes.append(float(m.slope)) if m.training else None
    )
    trained(model, config(epochs=2, slope=Linear(1.0, 9.0)))
    assert slopes == pytest.approx([1, 2, 3, 4, 5, 6, 7, 8])
    per_epoch = network(leaves="gradient")
    result = trained(per_epoch, config(epochs=2, slope=Linear(1.0, 9.0, per="epoch")), out="b")
    assert last_state(result)["1.slope"] == 5.0


def test_hooks_are_taken_off(trained):
    model = network()
    trained(model, config(leaves=LeafUpdates()))
    assert not model[1]._forward_pre_hooks


@pytest.mark.parametrize(
    ("model", "method", "message"),
    [
        (lambda: network(), {}, "learn by 'em', not by gradient; give the method leaves="),
        (
            lambda: network(leaves="gradient"),
            {"leaves": LeafUpdates()},
            "the model has none that learn so",
        ),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 2)),
            {"slope": 2.0},
            "sets a slope, and the model has no forest",
        ),
    ],
)
def test_methods_and_models_that_do_not_fit_are_refused(trained, model, method, message):
    with pytest.raises(ValueError, match=message):
        trained(model(), config(**method))


@pytest.mark.parametrize("name", ["every", "samples", "iterations"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        LeafUpdates(**{name: 0})


def test_methods_take_leaf_updates_alone():
    with pytest.raises(TypeError, match="leaves must be a LeafUpdates"):
        Method(leaves=5)
    with pytest.raises(TypeError, match="slope must be a number or a schedule"):
        Method(slope="steep")


def test_refitted_hard_leaves_are_the_counts_of_what_reaches_them(train):
    model = network(trees=1, depth=2).eval()
    forest = model[1]
    forest.hard = True
    before = copy.deepcopy(forest.functions.state_dict())
    refit_leaves(model, train, train.preprocessing())
    x = torch.cat([x for x, _ in Batches(train, train.preprocessing(), batch_size=50)]).flatten(1)
    f = forest.decisions(x)[:, 0]
    ends = torch.where(f[:, 0] > 0, 2 + (f[:, 2] > 0).long(), (f[:, 1] > 0).long())
    for leaf in range(4):
        labels = torch.from_numpy(train.labels)[ends == leaf]
        expected = labels.bincount(minlength=2) / len(labels) if len(labels) else [0.5, 0.5]
        torch.testing.assert_close(forest.leaf[0, leaf], torch.as_tensor(expected))
    assert len(set(ends.tolist())) > 1
    assert all(torch.equal(before[k], v) for k, v in forest.functions.state_dict().items())
    with pytest.raises(ValueError, match="no forest whose leaves learn by 'em'"):
        refit_leaves(network(leaves="gradient"), train, train.preprocessing())
