"""The CamVid recipe from end to end, on a few small scenes."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from bitgrove import data, recipes
from bitgrove.data import SegmentationData
from bitgrove.recipes import residual_forest
from bitgrove.recipes.residual_forest import _end_to_end, _packed, _train, recipe
from bitgrove.recipes.residual_forest._network import Backbone, LinearHead
from bitgrove.recipes.residual_forest_transfer import recipe as transfer


def scenes(n, seed):
    random = np.random.default_rng(seed)
    labels = np.zeros((n, 48, 64), np.uint8)
    labels[:, 24:] = 1
    labels[:, :, 40:] = random.integers(0, 3, (n, 1, 1))
    images = (60 * labels[..., None] + random.integers(0, 40, (n, 48, 64, 3))).astype(np.uint8)
    labels[:, :2] = 3
    names = tuple(f"{seed}/{i}" for i in range(n))
    return SegmentationData(images, labels, ("a", "b", "c"), names, void=3)


@pytest.fixture
def small(monkeypatch):
    parts = {"train": scenes(9, 0), "validation": scenes(3, 1), "test": scenes(12, 2)}
    monkeypatch.setattr(data, "load", lambda name, split: parts[split])
    monkeypatch.setattr(recipe, "BACKBONE_EPOCHS", 2)
    monkeypatch.setattr(_end_to_end, "STEPS", 2)
    monkeypatch.setattr(_packed, "_ROUNDS", 2)
    return parts


def test_heads_are_trained_measured_and_packed(small, tmp_path, capsys):
    run = recipes.RECIPES["residual-forest-camvid"]
    outcomes = run(tmp_path, seeds=1, epochs=2)
    assert [o["arm"] for o in outcomes] == ["forest", "linear", "convolution"]
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["outcomes"] == outcomes
    assert results["packed"]["same_class"] > 0.99
    assert set(results["end_to_end"]) >= {"leaves", "both"}
    for outcome in outcomes:
        seconds = [point["cpu_seconds"] for point in outcome["curve"]]
        assert seconds == sorted(seconds)
        assert outcome["curve"][-1]["epoch"] == 2
        assert 0 < outcome["test"]["mean_iou"] <= outcome["test"]["pixel_accuracy"] <= 1
    figures = tomllib.loads((tmp_path / "expected.toml").read_text())
    assert figures["arms"]["linear"]["mean_iou"] == [round(outcomes[1]["test"]["mean_iou"], 4)]
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "segmentations.png").read_bytes()[:4] == b"\x89PNG"
    capsys.readouterr()
    kept = (tmp_path / recipe._BACKBONE).stat().st_mtime_ns
    assert run(tmp_path, seeds=1, epochs=2, resume=True, arm=["linear"]) == outcomes[1:2]
    assert (tmp_path / recipe._BACKBONE).stat().st_mtime_ns == kept
    assert "epoch 1 of 2" not in capsys.readouterr().err
    with pytest.raises(ValueError, match="was made with other settings"):
        run(tmp_path, epochs=1, resume=True, arm=["linear"])


def test_scores_are_of_all_labelled_pixels_at_full_size(small):
    torch.manual_seed(0)
    head, test = LinearHead(3, relu=True), small["test"]
    maps = [torch.randn(12, 64, 12, 16), torch.randn(12, 96, 6, 8), torch.randn(12, 128, 3, 4)]
    with torch.no_grad():
        wide = torch.nn.Upsample((48, 64), mode="bilinear")(head(maps)).argmax(1).numpy()
    known = test.labels != 3
    expected = (wide == test.labels)[known].mean()
    assert _train.measure(head, maps, test).pixel_accuracy == pytest.approx(expected)


def test_the_maps_are_a_quarter_an_eighth_and_a_sixteenth():
    maps = Backbone().eval()(torch.zeros(1, 3, 180, 240))
    assert [tuple(x.shape[1:]) for x in maps] == [(64, 45, 60), (96, 23, 30), (128, 12, 15)]


def test_what_there_is_not_is_named(tmp_path):
    with pytest.raises(ValueError, match="has no arm tree; it has: forest, linear, convolution"):
        residual_forest.run(tmp_path, arm=["tree"])
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        residual_forest.run(tmp_path, epochs=0)


def test_the_page_names_the_command_and_its_figures_are_of_these_arms():
    folder = Path(residual_forest.__file__).parent
    assert "bitgrove reproduce residual-forest-camvid" in (folder / "README.md").read_text()
    figures = tomllib.loads((folder / "expected.toml").read_text())
    assert set(figures["arms"]) == {arm.name for arm in residual_forest.ARMS}
    for arm in figures["arms"].values():
        assert len(arm["mean_iou"]) == len(figures["protocol"]["seeds"])


def test_features_may_come_from_other_pictures(small, tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    labels = np.arange(80) % 2
    images = (80 * labels[:, None, None, None] + random.integers(0, 60, (80, 64, 64, 3))).astype(
        "u1"
    )
    things = data.ImageData(images, labels, ("a", "b"), tuple(map(str, range(80))))
    parts = data.Splits(*(things.select(np.arange(i, 80, 4)) for i in range(3)))
    monkeypatch.setattr(data, "load_splits", lambda name: parts)
    monkeypatch.setattr(transfer, "BACKBONE_EPOCHS", 2)
    run = recipes.RECIPES["residual-forest-transfer"]
    outcomes = run(tmp_path, epochs=1, arm=["forest"])
    assert [o["settings"]["quantiles"] for o in outcomes] == [True]
    results = json.loads((tmp_path / "results.json").read_text())
    assert "Tiny ImageNet" in results["protocol"]["features"]
    assert results["packed"]["same_class"] > 0.99
    assert "end_to_end" not in results


def test_the_page_of_the_transfer_names_its_command_and_its_figures():
    folder = Path(transfer.__file__).parent
    assert "bitgrove reproduce residual-forest-transfer" in (folder / "README.md").read_text()
    figures = tomllib.loads((folder / "expected.toml").read_text())
    assert set(figures["arms"]) == {arm.name for arm in transfer.ARMS}
