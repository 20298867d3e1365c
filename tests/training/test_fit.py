import json
import logging
import random
import signal
import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from bitgrove.data import ImageData
from bitgrove.nn import BinaryLinear
from bitgrove.training import (
    CrossEntropy,
    EpochMetrics,
    Gradient,
    Linear,
    Method,
    TrainingConfig,
    TrainingError,
    default_epochs,
    evaluate,
    fit,
    load_weights,
)
from bitgrove.training._record import best_of


def adamw(lr, **options):
    """The default method with another first rate."""
    return Method(real=Gradient(lr=Linear(lr), **options))


CONFIG = TrainingConfig(epochs=4, batch_size=16, method=adamw(0.02), seed=5)


BINARY, LAST = 7, 9
"""Places of the binary layer and of the last layer in :func:`network`."""


def network(seed=0, noisy=True):
    """Convolution, batch norm, dropout (which draws random numbers) and a binary layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.AvgPool2d(4),
            nn.Flatten(),
            nn.Dropout(0.1 if noisy else 0.0),
            nn.BatchNorm1d(24),
            BinaryLinear(24, 16),
            nn.BatchNorm1d(16),
            nn.Linear(16, 2),
        )


@pytest.fixture
def run(train, validation, tmp_path):
    def start(model=None, out=None, config=CONFIG, **options):
        options = {"accelerator": "cpu", "progress": False} | options
        model = network() if model is None else model
        result = fit(model, train, validation, out or tmp_path / "run", config, **options)
        return model, result

    return start


def last_state(result):
    return torch.load(result.last_checkpoint, weights_only=True)


def assert_same_state(one, other):
    """Weights, buffers and the moments of Adam, bit for bit."""
    one, other = last_state(one), last_state(other)
    assert one["state_dict"].keys() == other["state_dict"].keys()
    for name, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][name]), name
    states = [c["optimizer_states"][0]["state"] for c in (one, other)]
    assert len(states[0]) > 5
    for key, moments in states[0].items():
        for name, value in moments.items():
            assert torch.equal(value, states[1][key][name]), (key, name)


def without_seconds(history):
    return [{k: v for k, v in vars_of(m).items() if k != "seconds"} for m in history]


def vars_of(metrics):
    return {name: getattr(metrics, name) for name in EpochMetrics.__dataclass_fields__}


def log_of(result):
    lines = (result.last_checkpoint.parents[1] / "metrics.jsonl").read_text().splitlines()
    return [EpochMetrics(**json.loads(line)) for line in lines]


def test_training_learns_and_tells_what_it_did(run, validation):
    model, result = run(config=TrainingConfig(epochs=15, batch_size=16, method=adamw(0.02)))
    assert result.best.validation_accuracy >= 0.9
    assert result.epochs == len(result.history) == 15
    assert not result.interrupted
    assert [m.epoch for m in result.history] == list(range(1, 16))
    assert [m.step for m in result.history] == [4 * e for e in range(1, 16)]
    assert result.history[-1].train_loss < result.history[0].train_loss
    assert log_of(result) == list(result.history)
    # The model holds the best weights, in evaluation mode.
    logits = evaluate(model, validation, result.preprocessing)
    accuracy = (logits.argmax(1) == validation.labels).mean()
    assert accuracy == result.best.validation_accuracy
    assert not any(module.training for module in model.modules())


class WorseLater(nn.Module):
    """Turns its answers round in validation from the third epoch on."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.validations = inner, 0

    def forward(self, x):
        self.validations += not self.training
        return self.inner(x) * (1 if self.training or self.validations < 3 else -1)


def test_the_model_is_left_with_the_best_weights_and_not_the_last(run):
    config = TrainingConfig(epochs=15, batch_size=16, method=adamw(0.02))
    model, result = run(WorseLater(network()), config=config)
    assert result.best.epoch < 3
    best = torch.load(result.best_checkpoint, weights_only=True)["state_dict"]
    for name, value in model.state_dict().items():
        assert torch.equal(value, best[f"model.{name}"])
    last = last_state(result)["state_dict"]
    assert not torch.equal(best["model.inner.0.weight"], last["model.inner.0.weight"])


class Watching(nn.Module):
    """Notes the images that it is trained on."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.seen = inner, []

    def forward(self, x):
        if self.training:
            self.seen.append(x.clone())
        return self.inner(x)


def test_every_epoch_has_its_own_order(run):
    model, _ = run(Watching(network()), config=TrainingConfig(epochs=3, batch_size=50, shift=0))
    first, second, third = (batch.flatten(1) for batch in model.seen)
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)
    assert torch.equal(first.sort(0).values, second.sort(0).values)


def test_validation_figures_are_the_definition(run, validation):
    model, result = run()
    load_weights(model, result.last_checkpoint)
    logits = evaluate(model, validation, result.preprocessing).astype(np.float64)
    chosen = logits[np.arange(len(logits)), validation.labels]
    loss = np.mean(np.log(np.exp(logits).sum(1)) - chosen)
    assert result.history[-1].validation_loss == pytest.approx(loss, rel=1e-5)
    assert result.history[-1].validation_accuracy == (logits.argmax(1) == validation.labels).mean()


def test_the_learning_rate_falls_linearly_to_zero(run):
    _, result = run()
    rates = [m.learning_rate for m in result.history]
    np.testing.assert_allclose(rates, 0.02 * np.array([1, 0.75, 0.5, 0.25]), rtol=1e-12)
    last = last_state(result)["optimizer_states"][0]["param_groups"][0]["lr"]
    assert last == pytest.approx(0.02 / 16)


def test_the_first_step_is_adam_on_the_mean_cross_entropy(train, validation, tmp_path):
    """Oracle: one step by hand. Adam's first step is lr * g / (|g| + eps)."""
    start, model = network(noisy=False), network(noisy=False)
    config = TrainingConfig(
        epochs=1,
        batch_size=50,
        shift=0,
        method=Method(
            real=Gradient(lr=Linear(0.01), weight_decay=0.5),
            loss=CrossEntropy(label_smoothing=0.1),
        ),
    )
    fit(model, train, validation, tmp_path, config, accelerator="cpu", progress=False)
    logits = start(torch.from_numpy(train.preprocessing().normalise(train.images)))
    target = 0.9 * nn.functional.one_hot(torch.from_numpy(train.labels), 2) + 0.05
    (-(target * logits.log_softmax(1)).sum(1).mean()).backward()
    checked = {}
    for name, before in start.named_parameters():
        after, g = dict(model.named_parameters())[name].detach(), before.grad
        clear = g.abs() > 1e-4  # below, the order of summation decides the sign
        decay = 1 - 0.01 * (0.5 if name in ("0.weight", f"{LAST}.weight") else 0.0)
        expected = before.detach() * decay - 0.01 * g / (g.abs() + 1e-8)
        if name == f"{BINARY}.weight":
            expected = expected.clamp(-1, 1)
        checked[name] = int(clear.sum())
        torch.testing.assert_close(after[clear], expected[clear], rtol=0, atol=2e-5)
    # Not vacuous: what precedes a batch norm may be idle, these are not.
    assert all(checked[name] for name in ("0.weight", f"{BINARY}.weight", f"{LAST}.weight"))


def test_latent_weights_stay_within_one_and_real_weights_are_free(run):
    model = network()
    with torch.no_grad():
        model[BINARY].weight[:] = 3.0
        model[LAST].weight[:] = 3.0
    model, _ = run(model)
    assert model[BINARY].weight.abs().max() == 1.0
    assert model[LAST].weight.abs().max() > 2


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(run, tmp_path):
    _, one = run(out=tmp_path / "1")
    torch.rand(7)  # the caller's random state does not matter
    _, two = run(out=tmp_path / "2")
    assert_same_state(one, two)
    assert without_seconds(one.history) == without_seconds(two.history)
    other = TrainingConfig(epochs=4, batch_size=16, method=adamw(0.02), seed=6)
    _, three = run(out=tmp_path / "3", config=other)
    assert without_seconds(one.history) != without_seconds(three.history)


def test_the_random_state_of_the_caller_is_left_alone(run):
    torch.manual_seed(1)
    before = torch.get_rng_state(), random.getstate()
    np.random.seed(1)  # noqa: NPY002, the global state is what this is about
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    run()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.random.random() == expected  # noqa: NPY002


@pytest.fixture
def ctrl_c():
    """Ctrl-C raises, as in a terminal; in a background job of a shell it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class InterruptedAt(nn.Module):
    """Presses Ctrl-C during one call of the network."""

    def __init__(self, inner, call):
        super().__init__()
        self.inner, self.call, self.calls = inner, call, 0

    def forward(self, x):
        self.calls += 1
        if self.calls == self.call:
            signal.raise_signal(signal.SIGINT)
        return self.inner(x)


# An epoch has 4 training batches and 1 of validation.
@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(
    ("call", "epochs"), [(1, 0), (3, 0), (6, 1), (8, 1), (9, 1), (10, 2), (16, 3)],
    ids=["first batch", "epoch 1", "first of 2", "in 2", "last of 2", "validation 2", "in 4"],
)  # fmt: skip
def test_ctrl_c_stops_and_resuming_gives_the_same_bits(run, tmp_path, call, epochs):
    _, whole = run(InterruptedAt(network(), -1), tmp_path / "whole")
    interrupted, part = run(InterruptedAt(network(), call), tmp_path / "part")
    assert part.interrupted
    # A batch of training ends the run before the next; that of validation ends its epoch first.
    assert interrupted.calls == call
    assert part.epochs == len(part.history) == len(log_of(part)) == epochs
    assert (part.best_checkpoint is None) == (epochs == 0)
    load_weights(interrupted, part.last_checkpoint)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    model, resumed = run(InterruptedAt(network(seed=9), -1), tmp_path / "part", resume=True)
    assert not resumed.interrupted
    assert_same_state(whole, resumed)
    assert without_seconds(resumed.history) == without_seconds(whole.history)
    assert log_of(resumed) == list(resumed.history)
    assert resumed.best == next(m for m in resumed.history if m.epoch == whole.best.epoch)
    expected = InterruptedAt(network(), -1)
    load_weights(expected, whole.best_checkpoint)
    for name, value in expected.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)


@pytest.mark.usefixtures("ctrl_c")
def test_a_second_ctrl_c_acts_as_usual(run):
    class Twice(InterruptedAt):
        def forward(self, x):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            return self.inner(x)

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(Twice(network(), 0))


def test_fit_runs_outside_the_main_thread(run):
    results = []
    thread = threading.Thread(target=lambda: results.append(run()))
    thread.start()
    thread.join()
    assert results[0][1].epochs == 4


def test_a_log_with_extra_or_half_lines_is_put_right_on_resumption(run, tmp_path):
    run(InterruptedAt(network(), 8), tmp_path / "run")
    log = tmp_path / "run" / "metrics.jsonl"
    log.write_text(log.read_text() + log.read_text() + '{"epoch": 2, "st')
    _, resumed = run(InterruptedAt(network(), -1), tmp_path / "run", resume=True)
    assert [m.epoch for m in log_of(resumed)] == [1, 2, 3, 4]


def test_resuming_a_finished_run_returns_it(run):
    model, whole = run()
    again, resumed = run(network(seed=3), resume=True)
    assert resumed.history == whole.history
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def test_resuming_with_other_settings_names_them(run, train, validation, tmp_path):
    run()
    other = TrainingConfig(epochs=4, batch_size=16, method=adamw(0.01), seed=5)
    with pytest.raises(TrainingError, match=r"method\.real\.lr\.start was 0\.02 and is now 0\.01"):
        run(config=other, resume=True)
    with pytest.raises(TrainingError, match="model was"):
        run(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), resume=True)
    images = train.images.copy()
    images[0, 0, 0, 0] ^= 1
    changed = ImageData(images, train.labels, train.classes, train.names)
    with pytest.raises(TrainingError, match="training images was"):
        fit(network(), changed, validation, tmp_path / "run", CONFIG, resume=True)


def test_resuming_nothing_says_what_to_do(run, tmp_path):
    with pytest.raises(TrainingError, match=r"nothing to resume: .*Start without resume"):
        run(resume=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_damaged_checkpoint_is_refused_by_name(run, content):
    _, result = run()
    raw = result.last_checkpoint.read_bytes()
    result.last_checkpoint.write_bytes(raw[: len(raw) // 2] if content is None else content)
    with pytest.raises(TrainingError, match=r"last\.ckpt is damaged or no checkpoint"):
        run(resume=True)


def test_a_run_is_not_replaced_unless_asked(run):
    _, first = run()
    with pytest.raises(TrainingError, match="already holds a run"):
        run()
    _, second = run(overwrite=True)
    assert without_seconds(first.history) == without_seconds(second.history)
    assert len(log_of(second)) == 4
    with pytest.raises(ValueError, match="exclude each other"):
        run(overwrite=True, resume=True)


def metrics(epoch, accuracy, loss):
    return EpochMetrics(
        epoch=epoch, step=epoch, train_loss=1.0, train_accuracy=0.5, validation_loss=loss,
        validation_accuracy=accuracy, learning_rate=0.1, seconds=1.0,
    )  # fmt: skip


def test_the_best_epoch_is_by_accuracy_then_loss_then_the_earliest():
    history = [
        metrics(1, 0.8, 0.1),
        metrics(2, 0.9, 0.5),
        metrics(3, 0.9, 0.4),
        metrics(4, 0.9, 0.4),
    ]
    assert best_of(history) is history[2]
    assert best_of([]) is None


class Poisoned(nn.Module):
    def __init__(self, inner, when):
        super().__init__()
        self.inner, self.when, self.calls = inner, when, 0

    def forward(self, x):
        self.calls += 1
        return self.inner(x) * (float("nan") if self.calls == self.when else 1.0)


@pytest.mark.parametrize(
    ("when", "message"),
    [
        (7, r"loss is nan at step 6 \(epoch 2.*Lower the learning rate"),
        (5, "validation loss is nan"),
    ],
)
def test_a_loss_that_is_not_finite_stops_with_the_step_and_a_cure(run, when, message):
    with pytest.raises(TrainingError, match=message):
        run(Poisoned(network(), when))


def test_a_model_with_another_number_of_logits_is_refused(run):
    with pytest.raises(TrainingError, match=r"\(13, 2\), one per class, got \(13, 5\)|\(12, 2\)"):
        run(nn.Sequential(nn.Flatten(), nn.Linear(64, 5)))


def test_data_that_do_not_fit_each_other_are_refused(train, validation, tmp_path):
    cases = [
        (train.select([0]), validation, "at least 2 images"),
        (train, validation.select([]), "1 to validate, got 50 and 0"),
        (train, validation.only_classes(["row"]), "same classes"),
    ]
    for one, other, message in cases:
        with pytest.raises(ValueError, match=message):
            fit(network(), one, other, tmp_path, CONFIG)


def test_nothing_is_printed_or_left_lying_about(run, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run()
    assert capfd.readouterr() == ("", "")
    files = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {"run/metrics.jsonl", "run/checkpoints/best.ckpt", "run/checkpoints/last.ckpt"}


def test_the_filters_of_warnings_and_the_levels_of_logging_are_restored(run):
    logger = logging.getLogger("lightning.pytorch")
    before = list(warnings.filters), logger.level
    run()
    assert (list(warnings.filters), logger.level) == before


def test_without_a_terminal_there_is_one_line_per_epoch(run, capfd):
    run(progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 4
    assert err.splitlines()[3].startswith("epoch 4/4  loss ")


def test_on_a_terminal_there_is_a_bar(run, capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    run(progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "epoch 4/4" in err
    assert "100%" in err


def test_shown_images_decide_the_default_number_of_epochs():
    assert [default_epochs(n) for n in (1, 10_000, 20_000, 150_000, 10**9)] == [120, 80, 40, 8, 8]


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 1},
        {"precision": "float16"},
        {"shift": 0.6},
        {"seed": -1},
    ],
)
def test_settings_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        TrainingConfig(**wrong)
