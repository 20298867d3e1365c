import copy
import math

import pytest
import torch
from torch import nn

from bitgrove import nn as bnn


def network():
    return nn.Sequential(
        bnn.RSign(2, estimator="ede"),
        bnn.BinaryConv2d(2, 2, 3, input_estimator="identity", weight_estimator="ede"),
        bnn.BinaryLinear(2, 2, input_estimator=bnn.EDE(k=3.0), weight_estimator="clipped"),
    )


def test_every_ede_follows_the_published_powers_of_ten():
    model, epochs = network(), 8
    schedule = bnn.EDESchedule(model, epochs)
    for epoch in range(epochs + 3):
        t = 10 ** (-1 + 2 / epochs * min(epoch, epochs))  # IR-Net's rule, then constant
        rsign, conv, linear = model
        assert schedule.t == pytest.approx(t, rel=1e-12)
        assert rsign.estimator == bnn.EDE(t=schedule.t)
        assert conv.weight_estimator == bnn.EDE(t=schedule.t)
        assert conv.input_estimator == bnn.StraightThrough()
        assert linear.input_estimator == bnn.EDE(t=schedule.t, k=3.0)
        assert linear.weight_estimator == bnn.Clipped()
        slope = conv.weight_estimator.slope(torch.zeros(1)).item()
        assert slope == pytest.approx(max(1 / t, 1) * t, rel=1e-6)
        schedule.step()
    assert schedule.t == 10


def test_a_resumed_schedule_goes_on_where_it_was():
    schedule = bnn.EDESchedule(network(), 10, first=0.5, last=5)
    for _ in range(4):
        schedule.step()
    state = copy.deepcopy(schedule.state_dict())
    model = network()
    resumed = bnn.EDESchedule(model, 10, first=0.5, last=5)
    assert model[1].weight_estimator == bnn.EDE(t=0.5)
    resumed.load_state_dict(state)
    assert model[1].weight_estimator == bnn.EDE(t=schedule.t)
    schedule.step()
    resumed.step()
    assert model[1].weight_estimator == bnn.EDE(t=schedule.t)
    assert schedule.t == pytest.approx(0.5 * math.sqrt(10))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bnn.EDESchedule(network(), 0), "steps must be at least 1, got 0"),
        (lambda: bnn.EDESchedule(network(), 3, first=0), "first=0"),
        (lambda: bnn.EDESchedule(network(), 3, first=2, last=1), "first=2, last=1"),
        (lambda: bnn.EDESchedule(nn.Linear(2, 2), 3), "the model has no EDE to schedule"),
        (lambda: bnn.EDESchedule(network(), 3).load_state_dict({"done": 4}), "done 4 steps"),
        (lambda: bnn.EDESchedule.t_at(1.01), r"progress must be in \[0, 1\], got 1.01"),
    ],
)
def test_what_cannot_be_scheduled_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # dynamo instantiates autograd.Function
def test_a_compiled_model_follows_the_schedule():
    torch._dynamo.reset()
    torch.manual_seed(0)
    model = bnn.BinaryLinear(4, 2, weight_estimator="ede")
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    schedule = bnn.EDESchedule(model, 12)
    x, gradients = torch.randn(3, 4), []
    for _ in range(12):  # more than dynamo would compile anew
        for run in (model, compiled):
            model.zero_grad()
            run(x).sum().backward()
            gradients.append(model.weight.grad)
        torch.testing.assert_close(gradients[-2], gradients[-1])
        schedule.step()
    assert not torch.allclose(gradients[0], gradients[-1])
