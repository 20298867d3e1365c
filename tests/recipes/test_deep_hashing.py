"""The deep-hashing recipe on made-up pictures: seconds, not minutes."""

import dataclasses
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from bitgrove import data, metrics, recipes
from bitgrove.data import ImageData
from bitgrove.recipes import deep_hashing
from bitgrove.recipes.deep_hashing import _backbone, recipe
from bitgrove.recipes.deep_hashing._arms import choose
from bitgrove.recipes.deep_hashing._split import PROTOCOL, divided

FEW = dataclasses.replace(PROTOCOL, rule=metrics.SplitRule(queries=5, train=25))


def pictures(each=40):
    """Three classes: bright above, bright below, or neither."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), each)
    images = rng.integers(0, 150, (len(labels), 32, 32, 3), np.uint8)
    images[labels == 0, :16] += 80
    images[labels == 1, 16:] += 80
    names = tuple(str(i) for i in range(len(labels)))
    return ImageData(images, labels, ("above", "below", "neither"), names)


@pytest.fixture
def small(monkeypatch):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(data, "load", lambda name: pictures())
    monkeypatch.setattr(recipe, "divided", lambda d, s: divided(d, s, table=FEW, validation=5))
    monkeypatch.setattr(recipe, "BACKBONE_EPOCHS", 2)
    monkeypatch.setattr(_backbone, "COPIES", 2)
    yield
    torch.set_num_threads(threads)


def test_every_method_is_trained_measured_and_written_down(small, tmp_path, capsys):
    out = tmp_path / "run"
    run = recipes.RECIPES["deep-hashing"]
    outcomes = run(out, seed=3, seeds=2, epochs=2, width=8, arm=["12"])
    assert [o["arm"] for o in outcomes] == [f"{m}-12" for m in deep_hashing.METHODS] * 2
    written = json.loads((out / "results.json").read_text())
    assert written["outcomes"] == outcomes
    for outcome in outcomes:
        assert 0.4 < outcome["map"] <= 1  # 1 / 3 by chance
        assert ("empty_balls" in outcome) == (outcome["arm"] != "subic-12")
    figures = tomllib.loads((out / "expected.toml").read_text())
    assert figures["protocol"]["split"].startswith("cifar10-1: 15 queries, 105 in the database")
    assert figures["protocol"]["command"].endswith("--seed 3 --seeds 2 --arm 12")
    mean = np.mean([o["map"] for o in outcomes if o["arm"] == "dsh-12"])
    assert figures["arms"]["dsh-12"]["map_mean"] == pytest.approx(mean, abs=1e-4)
    assert figures["references"]["class_codes_mean"] > 0.4
    assert "SuBiC (asymmetric)" in capsys.readouterr().out
    weights = (out / "backbone" / "seed-3" / "checkpoints" / "best.ckpt").read_bytes()
    again = run(out, seed=3, seeds=2, epochs=2, width=8, arm=["12"], resume=True)
    assert again == outcomes
    assert (out / "backbone" / "seed-3" / "checkpoints" / "best.ckpt").read_bytes() == weights
    with pytest.raises(ValueError, match="was made with other settings"):
        run(out, seed=3, epochs=3, width=8, arm=["csq-12"], resume=True)


def test_parts_are_dealt_out_of_each_class_shuffled_once():
    images = pictures()
    split = divided(images, 3, table=FEW, validation=5)
    names = {part: data.names for part, data in split._asdict().items()}
    random = np.random.default_rng(3)
    dealt = [random.permutation(np.flatnonzero(images.labels == label)) for label in range(3)]
    query = {images.names[i] for rows in dealt for i in rows[:5]}
    assert set(names["query"]) == query
    assert set(names["database"]) == {*images.names} - query
    assert names["train"] == tuple(images.names[i] for rows in dealt for i in rows[5:25])
    assert names["validation"] == tuple(images.names[i] for rows in dealt for i in rows[25:30])
    assert sum(map(len, names.values())) == 60 + 15 + 15 + 105
    assert set(divided(images, 1, table=FEW, validation=5).query.names) != query


def test_the_split_is_that_of_the_protocol():
    assert PROTOCOL is metrics.protocol("cifar10-1")
    labels = np.arange(60_000) % 10
    every = ImageData(
        np.zeros((60_000, 1, 1, 1), np.uint8), labels, tuple("abcdefghij"),
        tuple(map(str, range(60_000))),
    )  # fmt: skip
    split = divided(every, 0)
    assert [len(part) for part in split] == [4500, 500, 1000, 59_000]
    for part in split[:3]:
        assert len(set(np.bincount(part.labels))) == 1


def test_arms_are_named_by_method_by_bits_or_by_both():
    assert len(choose(())) == 24
    assert [arm.name for arm in choose(["csq"])] == ["csq-12", "csq-24", "csq-32", "csq-48"]
    assert {arm.bits for arm in choose(["48"])} == {48}
    assert [arm.name for arm in choose(["dsh-24"])] == ["dsh-24"]
    with pytest.raises(ValueError, match="has no arm 16, hashnet"):
        choose(["16", "hashnet", "csq"])


def test_the_page_names_the_command_and_the_figures_their_protocol():
    folder = Path(deep_hashing.__file__).parent
    assert "bitgrove reproduce deep-hashing" in (folder / "README.md").read_text()
    if (folder / "expected.toml").exists():
        figures = tomllib.loads((folder / "expected.toml").read_text())
        assert set(figures["arms"]) <= {arm.name for arm in choose(())}
        for arm in figures["arms"].values():
            assert len(arm["map"]) == len(figures["protocol"]["seeds"])
