"""Methods of training against their definitions."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from bitgrove.nn import BinaryLinear
from bitgrove.training import (
    Constant,
    CrossEntropy,
    Distillation,
    Exponential,
    Flips,
    Gradient,
    Linear,
    Method,
    SquaredHinge,
    Staircase,
    TrainingConfig,
    TrainingError,
    fit,
    reestimate_batch_norm,
    seconds_per_image,
)
from bitgrove.training._batches import Batches

BOP = Flips(threshold=Constant(1e-3), adaptivity_rate=Linear(0.5, 0.1))


def network(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Flatten(),
            nn.BatchNorm1d(64),
            BinaryLinear(64, 16, weight_estimator="identity"),
            nn.BatchNorm1d(16),
            nn.Linear(16, 2),
        )


def config(method, **options):
    return TrainingConfig(**{"epochs": 3, "batch_size": 16, "method": method, "shift": 0} | options)


@pytest.fixture
def trained(train, validation, tmp_path):
    def start(settings, model=None, out="run", **options):
        model = model or network()
        options = {"accelerator": "cpu", "progress": False} | options
        return model, fit(model, train, validation, tmp_path / out, settings, **options)

    return start


def batches_of(train, settings):
    """What ``fit`` shows, epoch by epoch."""
    batches = Batches(
        train, train.preprocessing(), batch_size=settings.batch_size, shuffle=True, seed=0
    )
    for epoch in range(settings.epochs):
        batches.epoch = epoch
        yield from batches


def last_weights(result, model):
    state = torch.load(result.last_checkpoint, weights_only=True)["state_dict"]
    last = copy.deepcopy(model)
    last.load_state_dict({name.removeprefix("model."): value for name, value in state.items()})
    return last


def test_bop_moves_bits_by_its_rule_and_adam_the_rest(train, trained):
    """Oracle: Bop's rule written out, beside torch's Adam, on the same batches."""
    settings = config(Method(real=Gradient(kind="adam", lr=Constant(0.01)), binary=BOP))
    model, result = trained(settings)
    oracle = network()
    binary = oracle[2].weight
    adam = torch.optim.Adam([p for p in oracle.parameters() if p is not binary], lr=0.01)
    m = torch.zeros_like(binary)
    steps, flips = 3 * 4, 0
    for step, (x, y) in enumerate(batches_of(train, settings)):
        oracle.zero_grad()
        nn.functional.cross_entropy(oracle(x), y).backward()
        adam.step()
        rate = 0.5 + (0.1 - 0.5) * step / steps
        m = (1 - rate) * m + rate * binary.grad
        signs = torch.where(binary.detach() >= 0, 1.0, -1.0)
        turned = m * signs > 1e-3
        flips += int(turned.sum()) if step else 0
        binary.data = torch.where(turned, -signs, signs)
    assert flips > 50
    last = last_weights(result, model)
    assert torch.equal(last[2].weight, binary)
    torch.testing.assert_close(last[4].weight, oracle[4].weight, rtol=1e-4, atol=1e-6)


def test_latent_weights_move_by_the_glorot_rate_are_centred_then_clipped(train, trained):
    """Oracle: BinaryConnect's step and XNOR-Net's two adjustments, written out for SGD."""
    method = Method(
        real=Gradient(kind="sgd", lr=Constant(0.01), momentum=0.0, weight_decay=0.1),
        binary=Gradient(kind="sgd", lr=Constant(0.02), momentum=0.0, weight_decay=0.1, glorot=True),
        centre=True,
    )
    settings = config(method, epochs=1)
    start = network()
    with torch.no_grad():
        start[2].weight.mul_(20)  # so that the clip has work
    model, result = trained(settings, copy.deepcopy(start))

    def adjust(w):
        return (w - w.mean(1, keepdim=True)).clamp(-1, 1)

    scale = math.sqrt((64 + 16) / 1.5)
    oracle = start
    oracle[2].weight.data = adjust(oracle[2].weight.data)
    for x, y in batches_of(train, settings):
        oracle.zero_grad()
        nn.functional.cross_entropy(oracle(x), y).backward()
        with torch.no_grad():
            for name, p in oracle.named_parameters():
                if name == "2.weight":
                    p.copy_(adjust(p - 0.02 * scale * p.grad))
                else:  # only the linear layer's weight decays
                    p.sub_(0.01 * (p.grad + (0.1 * p if name == "4.weight" else 0)))
    last = last_weights(result, model)
    for (name, got), expected in zip(last.named_parameters(), oracle.parameters(), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6, msg=name)
    assert (last[2].weight.abs() == 1).any()


def test_only_norms_leaves_all_else_alone(trained):
    model, result = trained(config(Method(only_norms=True)))
    last, start = last_weights(result, model), network()
    for (name, got), before in zip(last.named_parameters(), start.parameters(), strict=True):
        assert torch.equal(got, before) == (name.partition(".")[0] not in ("1", "3")), name


SECOND_ORDER = Flips(
    threshold=Linear(1e-3, 1e-5),
    adaptivity_rate=Constant(0.3),
    second_rate=Constant(0.1),
    unbiased=True,
)
METHODS = {
    "bop": Method(binary=BOP),
    "second order": Method(binary=SECOND_ORDER),
    # Centring what was centred and clipped would move it once more.
    "centred": Method(binary=Gradient(kind="adam", lr=Linear(0.1), glorot=True), centre=True),
}


@pytest.mark.parametrize("name", METHODS)
def test_two_optimisers_resume_to_the_same_bits(trained, name, monkeypatch):
    settings = config(METHODS[name], epochs=4)
    _, whole = trained(settings, out="whole")

    class StopError(Exception):
        pass

    from bitgrove.training import _learner

    original, epochs = _learner.Learner.on_train_epoch_start, []

    def stop_in_third(self):
        epochs.append(self.current_epoch)
        if epochs == [0, 1, 2]:
            raise StopError
        original(self)

    monkeypatch.setattr(_learner.Learner, "on_train_epoch_start", stop_in_third)
    with pytest.raises(StopError):
        trained(settings, out="part")
    _, resumed = trained(settings, network(seed=5), out="part", resume=True)
    assert epochs == [0, 1, 2, 2, 3]
    one, two = (torch.load(r.last_checkpoint, weights_only=True) for r in (whole, resumed))
    assert all(torch.equal(one["state_dict"][k], two["state_dict"][k]) for k in one["state_dict"])
    assert len(one["optimizer_states"]) == 2
    for a, b in zip(one["optimizer_states"], two["optimizer_states"], strict=True):
        for key, state in a["state"].items():
            for name, value in state.items():
                same = torch.equal if isinstance(value, torch.Tensor) else lambda x, y: x == y
                assert same(value, b["state"][key][name]), name


def test_squared_hinge_is_the_sum_over_images_and_classes():
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 2, 1, 1, 0])
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        for k, y in enumerate(row):
            target = 1 if k == label else -1
            total += max(0.0, 1 - target * y) ** 2
    assert SquaredHinge()(logits, labels).item() == pytest.approx(total / 15, rel=1e-6)


@pytest.mark.parametrize(("weight", "temperature"), [(1.0, 1.0), (0.7, 1.0), (0.7, 4.0)])
def test_distillation_is_the_cross_entropy_to_the_softened_teacher(weight, temperature):
    rng = np.random.default_rng(0)
    student, teacher = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    labels = [0, 2, 1, 1]

    def softmax(z):
        e = [math.exp(v) for v in z]
        return [v / sum(e) for v in e]

    total = 0.0
    for s, t, y in zip(student, teacher, labels, strict=True):
        p, q = softmax(t / temperature), softmax(s / temperature)
        soft = -sum(a * math.log(b) for a, b in zip(p, q, strict=True))
        total += weight * temperature**2 * soft - (1 - weight) * math.log(softmax(s)[y])
    loss = Distillation(weight=weight, temperature=temperature)
    got = loss(torch.tensor(student), torch.tensor(labels), torch.tensor(teacher))
    assert got.item() == pytest.approx(total / 4, rel=1e-9)


def test_a_teacher_is_followed_and_left_as_it_is(trained):
    teacher = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 2)).train()
    before = copy.deepcopy(teacher.state_dict())
    settings = config(Method(real=Gradient(lr=Linear(0.02)), loss=Distillation()), epochs=15)
    # A teacher that always says "column" makes a pupil that does.
    with torch.no_grad():
        teacher[2].weight.zero_()
        teacher[2].bias.copy_(torch.tensor([-9.0, 9.0]))
        before = copy.deepcopy(teacher.state_dict())
    _, result = trained(settings, teacher=teacher)
    assert result.history[-1].validation_accuracy == 0.5
    assert result.history[-1].train_loss < 0.2
    assert all(torch.equal(before[k], v) for k, v in teacher.state_dict().items())
    assert teacher.training
    assert teacher[1].training


@pytest.mark.parametrize("loss", [CrossEntropy(), Distillation()])
def test_a_teacher_goes_with_distillation_only(trained, loss):
    teacher = None if isinstance(loss, Distillation) else network()
    with pytest.raises(ValueError, match="a teacher goes with the loss Distillation"):
        trained(config(Method(loss=loss)), teacher=teacher)


def test_in_bfloat16_parameters_and_validation_stay_in_float32(trained, validation):
    class Watching(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.seen = nn.Linear(64, 2), set()

        def forward(self, x):
            y = self.inner(x.flatten(1))
            self.seen.add((self.training, y.dtype))
            return y

    model, result = trained(config(Method(), precision="bfloat16"), Watching())
    assert model.seen == {(True, torch.bfloat16), (False, torch.float32)}
    assert model.inner.weight.dtype == torch.float32
    assert math.isfinite(result.history[-1].train_loss)


def test_schedules_fit_any_length_of_run():
    assert [Linear(1.0, 0.0).over(4)(k) for k in range(5)] == [1, 0.75, 0.5, 0.25, 0]
    assert Exponential(1.0, 1e-4).over(4)(2) == pytest.approx(1e-2)
    assert Exponential(1.0, 1e-4).per == "epoch"
    stairs = Staircase(1.0, 0.1, parts=5).over(500)
    np.testing.assert_allclose([stairs(k) for k in (0, 99, 100, 499)], [1, 1, 0.1, 1e-4])
    assert Staircase(1.0, 0.1, parts=5).over(2)(1) == pytest.approx(0.1)


def test_a_schedule_per_epoch_changes_between_epochs_alone(trained, monkeypatch):
    from bitgrove.training import _learner

    rates = []
    original = _learner.Mover.settle

    def settle(self):
        rates.append(self.optimizers[0].param_groups[0]["lr"])
        original(self)

    monkeypatch.setattr(_learner.Mover, "settle", settle)
    trained(config(Method(real=Gradient(lr=Exponential(1e-2, 1e-5)))))
    np.testing.assert_allclose(rates[1:], np.repeat([1e-2, 1e-3, 1e-4], 4))


def test_the_error_decay_estimator_is_sharpened_epoch_by_epoch(trained):
    class Watching(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.seen = network(), []
            self.inner[2].weight_estimator = "ede"

        def forward(self, x):
            if self.training:
                self.seen.append(self.inner[2].weight_estimator.t)
            return self.inner(x)

    model, _ = trained(config(Method()), Watching())
    expected = [0.1 * 100 ** (epoch / 3) for epoch in range(3)]
    np.testing.assert_allclose(model.seen, np.repeat(expected, 4))


def test_batch_norms_are_measured_anew_as_averages_over_the_batches(train):
    model = network()
    prep = train.preprocessing()
    reestimate_batch_norm(model, train, prep, batch_size=25, seed=3)
    x = [images for images, _ in Batches(train, prep, batch_size=25, shuffle=True, seed=3)]
    flat = [batch.flatten(1) for batch in x]
    mean = torch.stack([b.mean(0) for b in flat]).mean(0)
    var = torch.stack([b.var(0) for b in flat]).mean(0)
    torch.testing.assert_close(model[1].running_mean, mean)
    torch.testing.assert_close(model[1].running_var, var)
    # The next one sees what this one gives in training.
    hidden = [model[2](nn.functional.batch_norm(b, None, None, training=True)) for b in flat]
    expected = torch.stack([h.mean(0) for h in hidden]).mean(0)
    torch.testing.assert_close(model[3].running_mean, expected.detach())
    assert model[1].momentum == 0.1
    assert model.training
    for got, before in zip(model.parameters(), network().parameters(), strict=True):
        assert torch.equal(got, before)


def test_timing_leaves_the_model_as_it_is(train):
    model = network()
    assert 0 < seconds_per_image(model, train, config(Method(binary=BOP)), steps=2) < 1
    for got, before in zip(
        model.state_dict().values(), network().state_dict().values(), strict=True
    ):
        assert torch.equal(got, before)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gradient(kind="rmsprop"), "kind must be one of adam, adamw, sgd"),
        (lambda: Gradient(weight_decay=-1.0), "weight_decay must be 0 or more"),
        (lambda: Gradient(momentum=0.5), "momentum is of kind 'sgd'"),
        (lambda: Gradient(kind="sgd", momentum=1.0), "momentum must be in 0 to below 1"),
        (lambda: Flips(threshold=0, adaptivity_rate=1, unbiased=True), "unbiased is of the second"),
        (lambda: Method(binary=BOP, centre=True), "centre is of latent weights"),
        (lambda: Method(binary=BOP, only_norms=True), "only_norms leaves all weights alone"),
        (lambda: CrossEntropy(label_smoothing=1.0), "label_smoothing must be"),
        (lambda: Distillation(weight=0.0), "weight must be above 0"),
        (lambda: Distillation(temperature=0.0), "temperature must be above 0"),
    ],
)
def test_settings_of_methods_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gradient(lr="fast"), "lr must be a number or a schedule"),
        (lambda: Flips(threshold=None, adaptivity_rate=0.1), "threshold must be a number"),
        (lambda: Method(real=BOP), "real must be a Gradient, got Flips"),
        (lambda: Method(binary=1e-3), "binary must be a Gradient or Flips"),
        (lambda: Method(loss="ce"), "loss must be one such as CrossEntropy"),
        (lambda: TrainingConfig(method="bop"), "method must be a Method"),
    ],
)
def test_parts_of_another_kind_are_refused(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_a_number_stands_for_a_schedule_that_stays(trained):
    rates = []
    for lr, out in ((0.02, "number"), (Constant(0.02), "schedule")):
        _, result = trained(config(Method(real=Gradient(lr=lr))), out=out)
        rates.append([row.learning_rate for row in result.history])
    assert rates[0] == rates[1] == [0.02] * 3


@pytest.mark.parametrize(
    "method", [Method(binary=BOP), Method(centre=True)], ids=["flips", "centre"]
)
def test_a_rule_for_binary_weights_needs_some(trained, method):
    real = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    with pytest.raises(ValueError, match="the model has none"):
        trained(config(method), real)


def test_a_teacher_of_another_shape_or_the_model_itself_is_refused(trained):
    settings = config(Method(loss=Distillation()))
    other = nn.Sequential(nn.Flatten(), nn.Linear(64, 7))
    with pytest.raises(TrainingError, match=r"the teacher must give logits of shape \(1., 2\)"):
        trained(settings, teacher=other, out="other")
    model = network()
    with pytest.raises(ValueError, match="cannot be its own teacher"):
        trained(settings, model, teacher=model, out="own")
    with pytest.raises(TypeError, match="teacher must be a module"):
        trained(settings, teacher=3, out="number")


def test_weights_that_are_not_finite_stop_the_run_though_the_loss_is(trained):
    model = network()
    with torch.no_grad():
        model[2].weight.fill_(float("nan"))  # of which the sign is -1
    with pytest.raises(TrainingError, match=r"2\.weight holds NaN or infinite"):
        trained(config(Method(binary=None)), model)
