import functools

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch import nn

from bitgrove import nn as bnn
from bitgrove.optim import Bop, Bop2ndOrder
from bitgrove.training import (
    BitStatistics,
    BitTally,
    Constant,
    Flips,
    Gradient,
    Linear,
    Method,
    TrainingConfig,
    _fit,
    fit,
    read_bits,
)


def conv(dtype=torch.float32, layout=torch.contiguous_format):
    layer = bnn.BinaryConv2d(3, 4, 3)
    return layer.to(dtype).to(memory_format=layout)


def wander(layer, rng):
    step = torch.from_numpy(rng.standard_normal(layer.weight.shape)).to(layer.weight.dtype)
    layer.weight.data += 0.2 * step


def signs(layer):
    return np.array([[1 if v >= 0 else -1 for v in layer.weight.detach().double().flatten()]])


@pytest.mark.parametrize(
    ("dtype", "layout"),
    [
        (torch.float32, torch.contiguous_format),
        (torch.float32, torch.channels_last),
        (torch.float64, torch.contiguous_format),
        (torch.bfloat16, torch.channels_last),
    ],
)
def test_shares_are_those_of_signs_compared_one_by_one(dtype, layout):
    rng = np.random.default_rng(0)
    layer = conv(dtype, layout)
    tally, seen = BitTally(layer), [signs(layer)]
    for updates in (5, 3):
        first = len(seen)
        for _ in range(updates):
            wander(layer, rng)
            tally.update()
            seen.append(signs(layer))
        found = tally.record(epoch=2)
        changes = [(a != b).mean() for a, b in zip(seen[first - 1 :], seen[first:], strict=False)]
        assert min(changes) > 0
        assert (found.epoch, found.step, found.updates) == (2, len(seen) - 1, updates)
        assert found.weights["weight"].flips == pytest.approx(np.mean(changes), rel=1e-12)
        changed = (seen[0] != seen[-1]).mean()
        assert found.weights["weight"].changed == pytest.approx(changed, rel=1e-12)


def test_a_record_without_an_update_has_no_flip_ratio():
    tally = BitTally(conv())
    assert tally.record(epoch=1).weights["weight"].flips is None


def test_zero_counts_as_plus_whatever_its_sign():
    layer = bnn.BinaryLinear(3, 1)
    layer.weight.data.copy_(torch.tensor([[0.0, -0.0, 0.5]]))
    tally = BitTally(layer)
    layer.weight.data.copy_(torch.tensor([[-0.0, 0.5, 0.0]]))
    tally.update()
    assert tally.record(epoch=1).weights["weight"].flips == 0


def test_latents_at_one_or_beyond_are_saturated_and_all_are_in_the_histogram():
    layer = bnn.BinaryLinear(1000, 1)
    values = np.random.default_rng(0).uniform(-2, 2, (1, 1000)).astype(np.float32)
    values[0, :4] = 1, -1, 0.9999, -0.9999
    layer.weight.data.copy_(torch.from_numpy(values))
    found = BitTally(layer, bins=7).record(epoch=1).weights["weight"]
    saturated = sum(abs(v) >= 1 for v in values[0])
    assert 300 < saturated < 700
    assert found.saturated == saturated / 1000
    expected, _ = np.histogram(np.clip(values, -1.5, 1.5), 7, (-1.5, 1.5))
    assert found.histogram == tuple(expected)
    assert (found.shown, found.limit) == ("latent", 1.5)


@pytest.mark.parametrize(("kind", "scale"), [(Bop, 1.0), (Bop2ndOrder, 1.0), (Bop2ndOrder, 1e-9)])
def test_weights_moved_by_flips_show_their_pressure_instead(kind, scale):
    layer = bnn.BinaryLinear(200, 1)
    optimizer = kind(layer.parameters(), 0.1, 0.1)
    tally = BitTally(layer, [optimizer], bins=8)
    before = tally.record(epoch=1).weights["weight"]
    assert (before.saturated, before.shown, before.histogram) == (None, None, ())
    layer.weight.grad = torch.randn(1, 200, generator=torch.Generator().manual_seed(0)) * scale
    optimizer.step()
    tally.update()
    found = tally.record(epoch=1).weights["weight"]
    m = optimizer.state[layer.weight]["momentum"].numpy().astype(float)
    size = 1.0
    if kind is Bop2ndOrder:
        size = np.sqrt(optimizer.state[layer.weight]["second_moment"].numpy().astype(float)) + 1e-10
    p = m / size / 0.1
    shown = np.sign(p) * np.log10(1 + 9 * np.abs(p))
    expected, _ = np.histogram(np.clip(shown, -6, 6), 8, (-6, 6))
    assert (found.saturated, found.shown, found.limit) == (None, "pressure", 6.0)
    assert found.histogram == tuple(expected)
    assert found.flips > 0
    optimizer.param_groups[0]["threshold"] = 0.0
    assert tally.record(epoch=1).weights["weight"].shown is None


def test_only_binary_parameters_are_counted():
    model = nn.Sequential(
        conv(), nn.BatchNorm2d(4), bnn.BinaryConv2d(4, 4, 1, weight_estimator=None)
    )
    assert list(BitTally(model).record(epoch=1).weights) == ["0.weight"]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_tally_goes_on_from_its_state_in_the_middle_of_an_interval(layout):
    rng = np.random.default_rng(1)
    layer = conv(layout=layout)
    tally = BitTally(layer)
    for _ in range(3):
        wander(layer, rng)
        tally.update()
    again = BitTally(layer)
    again.load_state_dict(tally.state_dict())
    for _ in range(3):
        wander(layer, rng)
        tally.update()
        again.update()
    found = tally.record(epoch=1)
    assert found.weights["weight"].changed > 0
    assert again.record(epoch=1) == found


def test_the_state_of_another_model_is_refused():
    with pytest.raises(ValueError, match=r"the state counts 0.weight, and .* parameters are weigh"):
        BitTally(conv()).load_state_dict(BitTally(nn.Sequential(conv())).state_dict())


METHODS = {
    "latent": Method(real=Gradient(lr=Linear(0.02))),
    "bop": Method(
        real=Gradient(lr=Linear(0.02)),
        binary=Flips(threshold=Constant(1e-3), adaptivity_rate=Constant(0.1)),
    ),
}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), bnn.BinaryLinear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))


class Crash(Exception):  # noqa: N818, it stands for any
    pass


@pytest.mark.parametrize("every", [None, 5])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_run_that_crashed_and_went_on_leaves_the_same_file(
    train, validation, tmp_path, monkeypatch, method, every
):
    config = TrainingConfig(epochs=3, batch_size=16, method=method)  # 4 steps in an epoch
    monkeypatch.setattr(_fit, "BitStatistics", functools.partial(BitStatistics, every=every))

    def run(folder, **options):
        fit(
            network(), train, validation, tmp_path / folder, config,
            bits=True, accelerator="cpu", progress=False, **options,
        )  # fmt: skip
        return (tmp_path / folder / "bits.jsonl").read_text()

    whole = run("whole")
    records = read_bits(tmp_path / "whole" / "bits.jsonl")
    expected = [(1, 4), (2, 8), (3, 12)] if every is None else [(2, 5), (3, 10)]
    assert [(r.epoch, r.step) for r in records] == expected
    assert all(list(r.weights) == ["1.weight"] for r in records)
    assert all(r.weights["1.weight"].flips > 0 for r in records)

    update = BitTally.update
    with monkeypatch.context() as patch:

        def crash(tally):
            if tally.step == 10:
                raise Crash
            update(tally)

        patch.setattr(BitTally, "update", crash)
        with pytest.raises(Crash):
            run("crashed")
    with (tmp_path / "crashed" / "bits.jsonl").open("a") as file:
        file.write('{"epoch": 3, "step"')  # the crash cut a line short
    assert run("crashed", resume=True) == whole


def test_a_new_run_begins_the_file_anew(train, validation, tmp_path):
    config = TrainingConfig(epochs=1, batch_size=16)
    for _ in range(2):
        fit(
            network(), train, validation, tmp_path, config,
            bits=True, accelerator="cpu", progress=False, overwrite=True,
        )  # fmt: skip
    assert len(read_bits(tmp_path / "bits.jsonl")) == 1


class Plain(pl.LightningModule):
    """Lightning's own loop, which steps at every other batch here."""

    def __init__(self):
        super().__init__()
        self.bits = network()
        self.seen = []

    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self.bits(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.5)

    def on_train_batch_start(self, batch, batch_idx):
        self.seen.append(self.bits[1].weight.detach() >= 0)

    def on_train_end(self):
        self.seen.append(self.bits[1].weight.detach() >= 0)


def test_batches_without_a_step_are_no_updates(tmp_path):
    torch.manual_seed(1)
    batches = [(torch.randn(16, 1, 8, 8), torch.randint(0, 2, (16,))) for _ in range(6)]
    module = Plain()
    with _fit._quiet_lightning():
        trainer = pl.Trainer(
            accelerator="cpu", max_epochs=1, accumulate_grad_batches=2, logger=False,
            callbacks=[BitStatistics(tmp_path / "bits.jsonl")], default_root_dir=tmp_path,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(module, torch.utils.data.DataLoader(batches, batch_size=None))
    (record,) = read_bits(tmp_path / "bits.jsonl")
    changes = [(a != b).double().mean() for a, b in zip(module.seen, module.seen[1:], strict=False)]
    assert record.updates == 3
    assert record.weights["bits.1.weight"].flips == pytest.approx(sum(changes).item() / 3)
    assert record.weights["bits.1.weight"].flips > 0


@pytest.mark.parametrize("line", ['{"epoch": 1', '{"epoch": 1}', "[]", '{"weights": {"a": {}}}'])
def test_a_damaged_line_is_named(tmp_path, line):
    path = tmp_path / "bits.jsonl"
    path.write_text(f"{BitTally(conv()).record(epoch=1).to_json()}\n{line}\n")
    with pytest.raises(ValueError, match=r"bits.jsonl, line 2: this is no record of bits"):
        read_bits(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every must be at least 1, or None, got 0"),
        ({"bins": 1}, "bins must be at least 2, got 1"),
    ],
)
def test_arguments_out_of_range_are_named(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        BitStatistics(tmp_path / "bits.jsonl", **options)
