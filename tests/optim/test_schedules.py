import math
import pickle

import pytest
import torch
from torch import nn

from bitgrove.nn import BinaryLinear
from bitgrove.optim import (
    Bop,
    HyperparameterScheduler,
    constant,
    cosine,
    exponential,
    latent_groups,
    linear,
    piecewise,
    staircase,
)

FUNCTIONS = [
    constant(0.3),
    linear(1e-2, 1e-5, 7),
    exponential(1e-7, 1e-2, 7),
    staircase(1e-4, 0.1, 3),
    piecewise((0.5, 0.1, 0.2), (2, 5)),
    cosine(0.1, 0.01, 7),
    cosine(0.1, 0.0, 7, warmup=3),
]

BY_DEFINITION = [
    lambda t: 0.3,
    lambda t: 1e-2 + (1e-5 - 1e-2) * min(t, 7) / 7,
    lambda t: 1e-7 * (1e-2 / 1e-7) ** (min(t, 7) / 7),
    lambda t: 1e-4 / 10 ** (t // 3),
    lambda t: [0.5] * (t < 2) or [0.1] * (t < 5) or [0.2],
    lambda t: 0.01 + 0.09 * (1 + math.cos(math.pi * min(t, 7) / 7)) / 2,
    lambda t: 0.1 * (t + 1) / 3 if t < 3 else 0.05 * (1 + math.cos(math.pi * (min(t, 7) - 3) / 4)),
]


@pytest.mark.parametrize(
    ("function", "definition"),
    list(zip(FUNCTIONS, BY_DEFINITION, strict=True)),
    ids=map(str, FUNCTIONS),
)
def test_values_follow_the_definition_and_stay_after_the_end(function, definition):
    for step in range(10):
        expected = definition(step)
        expected = expected[0] if isinstance(expected, list) else expected
        assert function(step) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("function", [f for f in FUNCTIONS if hasattr(f, "end")], ids=str)
def test_ends_are_met_exactly(function):
    assert function(7) == function(10**6) == function.end


@pytest.mark.parametrize("function", FUNCTIONS, ids=str)
def test_a_schedule_prints_as_its_call_and_can_be_pickled(function):
    assert eval(repr(function)) == pickle.loads(pickle.dumps(function)) == function
    hash(function)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: constant(math.nan), "value must be finite, got nan"),
        (lambda: linear(math.inf, 0, 5), "start must be finite, got inf"),
        (lambda: linear(1, 0, 0), "steps must be at least 1, got 0"),
        (lambda: exponential(1, 0, 5), "end must be above 0 and finite, got 0"),
        (lambda: exponential(-1, 1, 5), "start must be above 0 and finite, got -1"),
        (lambda: staircase(1, 0, 5), "factor must be above 0 and finite, got 0"),
        (lambda: staircase(1, 0.5, 0), "every must be at least 1, got 0"),
        (lambda: piecewise([1, 2], [3, 4]), "one more than bounds, got 2 values and 2 bounds"),
        (lambda: piecewise([1, 2, 3], [4, 4]), r"bounds must increase, got \(4, 4\)"),
        (lambda: piecewise([1, 2], [0]), "bounds must be at least 1, got 0"),
        (lambda: cosine(1, 0, 5, warmup=5), r"warmup \(=5\) must be below steps \(=5\)"),
        (lambda: cosine(1, 0, 5, warmup=-1), "warmup must be at least 0, got -1"),
    ],
)
def test_arguments_out_of_range_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_fraction_of_a_step_is_refused():
    with pytest.raises(TypeError, match=r"steps must be a whole number of steps, got 2.5"):
        linear(1.0, 0.0, 2.5)


def bop():
    return Bop([nn.Parameter(torch.ones(1, 2))], 0.1, 0.5)


def test_settings_are_set_at_once_and_after_every_step():
    optimizer = bop()
    schedule = HyperparameterScheduler(
        optimizer,
        {"threshold": linear(1.0, 0.0, 4), "adaptivity_rate": lambda step: 1 / (step + 1)},
    )
    seen = []
    for _ in range(5):
        seen.append((optimizer.param_groups[0]["threshold"], optimizer.defaults["threshold"]))
        assert optimizer.param_groups[0]["adaptivity_rate"] == 1 / len(seen)
        schedule.step()
    assert seen == [(1.0, 0.1), (0.75, 0.1), (0.5, 0.1), (0.25, 0.1), (0.0, 0.1)]


def test_a_learning_rate_is_multiplied_by_the_scale_of_its_group():
    model = nn.Sequential(BinaryLinear(4, 2), nn.Linear(2, 2))
    optimizer = torch.optim.Adam(latent_groups(model, 1.0, glorot=True))
    schedule = HyperparameterScheduler(optimizer, {"lr": linear(0.5, 0.0, 10)})
    schedule.step()
    assert {g["name"]: g["lr"] for g in optimizer.param_groups} == {
        "latent x 2": 0.9,
        "weights": 0.45,
        "others": 0.45,
    }


def test_other_settings_are_not_scaled_and_groups_without_them_are_left_out():
    a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([{"params": [a], "lr_scale": 3.0, "warm": 1}, {"params": [b]}], 0.1)
    HyperparameterScheduler(optimizer, {"warm": constant(0.5), "momentum": constant(0.9)})
    assert [g.get("warm") for g in optimizer.param_groups] == [0.5, None]
    assert [g["momentum"] for g in optimizer.param_groups] == [0.9, 0.9]


def test_a_resumed_schedule_goes_on_where_it_was():
    first, second = bop(), bop()
    schedules = {"threshold": linear(1.0, 0.0, 4)}
    schedule = HyperparameterScheduler(first, schedules)
    for _ in range(3):
        schedule.step()
    again = HyperparameterScheduler(second, schedules)
    again.load_state_dict(schedule.state_dict())
    assert second.param_groups[0]["threshold"] == first.param_groups[0]["threshold"] == 0.25
    again.step()
    assert second.param_groups[0]["threshold"] == 0.0


@pytest.mark.parametrize("key", ["lr", "params", "thresold"])
def test_a_setting_that_no_group_has_is_refused_with_those_that_exist(key):
    with pytest.raises(
        ValueError,
        match=f"no group of Bop has '{key}'; available: adaptivity_rate, check_",
    ):
        HyperparameterScheduler(bop(), {key: constant(1.0)})


def test_no_schedule_and_a_bare_number_are_refused():
    with pytest.raises(ValueError, match="at least one setting"):
        HyperparameterScheduler(bop(), {})
    with pytest.raises(TypeError, match=r"use constant\(0.5\)"):
        HyperparameterScheduler(bop(), {"threshold": 0.5})
