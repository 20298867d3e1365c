"""The smart-mining recipe on made-up characters: seconds, not minutes."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from bitgrove import data, recipes
from bitgrove.data import DataError, ImageData, OneShotRun, Splits
from bitgrove.metrics import recall_at_k
from bitgrove.recipes import smart_mining
from bitgrove.recipes.smart_mining import _train
from bitgrove.recipes.smart_mining._network import embedder, ink


def characters(alphabet, classes, each, seed):
    """Crooked crosses, dark on white: a class is where its lines lie."""
    rng = np.random.default_rng(seed)
    pixels = np.full((classes * each, 105, 105, 1), 255, np.uint8)
    for row in range(len(pixels)):
        kind = np.random.default_rng((seed, row // each))
        for axis in range(2):
            lines = kind.integers(10, 95, 2) + rng.integers(-4, 5, 2)
            for line in lines:
                place = (slice(None), slice(line - 3, line + 3))[:: 1 if axis else -1]
                pixels[row][place] = 0
    names = tuple(f"{alphabet}/character{c:02d}" for c in range(classes))
    labels = np.repeat(np.arange(classes), each)
    return ImageData(pixels, labels, names, tuple(f"{names[c]}/{i}" for i, c in enumerate(labels)))


@pytest.fixture
def splits(monkeypatch):
    parts = Splits(characters("A", 14, 10, 1), characters("B", 5, 6, 2), characters("C", 6, 6, 3))
    monkeypatch.setattr(data, "omniglot_by_alphabet", lambda: parts)
    shown = parts.test.images[::6]
    run = OneShotRun(parts.test.images[1::6][::-1].copy(), shown, np.arange(6)[::-1].copy())
    monkeypatch.setattr(data, "omniglot_one_shot", lambda: (run,))
    return parts


def test_every_arm_is_trained_measured_and_written_down(splits, tmp_path, capsys):
    outcomes = recipes.RECIPES["smart-mining"](tmp_path / "run", seed=3, epochs=4)
    written = json.loads((tmp_path / "run" / "results.json").read_text())
    assert written["outcomes"] == outcomes
    assert [o["arm"] for o in outcomes] == ["random", "semi-hard", "smart"]
    for outcome in outcomes:
        recall = [outcome["recall"][str(k)] for k in (1, 2, 4, 8)]
        assert recall == sorted(recall)
        assert recall[0] > 0.6  # 1 / 6 by chance
        assert outcome["nmi"] > 0.5
        assert outcome["one_shot"] in [n / 6 for n in range(7)]
        curve = [row["validation_recall_at_1"] for row in outcome["curve"]]
        assert outcome["validation"] == max(curve) == curve[outcome["best_epoch"] - 1]
        assert len(curve) == 4
    assert [row["share_mined"] > 0 for row in outcomes[2]["curve"]] == [False, False, True, True]
    figures = tomllib.loads((tmp_path / "run" / "expected.toml").read_text())
    assert figures["protocol"]["split"].startswith("1 alphabet (14 characters, 140 images) to tr")
    assert figures["arms"]["smart"]["nmi_mean"] == round(outcomes[2]["nmi"], 4)
    assert "Semi-hard in the batch" in capsys.readouterr().out


def test_the_weights_of_the_best_validation_epoch_are_tested_and_seeds_repeat(splits):
    arm = smart_mining.ARMS[2]
    first, second = (_train.train(arm, 5, splits, 3) for _ in range(2))
    timings = ("seconds", "mining_seconds")
    for outcome in (first, second):
        del outcome["seconds"], outcome["cpu_seconds"]
        for row in outcome["curve"]:
            for name in timings:
                row.pop(name, None)
    assert first == second
    assert _train.train(arm, 6, splits, 3)["recall"] != first["recall"]
    # Test images have no part in training: others change the figures of the test alone.
    other = _train.train(arm, 5, splits._replace(test=splits.validation), 3)
    assert [row["training_error"] for row in other["curve"]] == [
        row["training_error"] for row in first["curve"]
    ]
    assert other["recall"]["1"] == other["validation"] == first["validation"]


def test_outcomes_are_used_again_and_guarded(splits, tmp_path):
    run = recipes.RECIPES["smart-mining"]
    first = run(tmp_path, epochs=1, arm=["random"])
    path = tmp_path / "random" / "seed-0" / "outcome.json"
    path.write_text(path.read_text().replace('"nmi": ', '"nmi": 1'))
    assert run(tmp_path, epochs=1, arm=["random"], resume=True)[0]["nmi"] > 1
    assert run(tmp_path, epochs=1, arm=["random"], overwrite=True)[0]["nmi"] == first[0]["nmi"]
    with pytest.raises(ValueError, match="was made with other settings"):
        run(tmp_path, epochs=2, arm=["random"], resume=True)
    path.write_text("{}")
    with pytest.raises(ValueError, match="is damaged"):
        run(tmp_path, epochs=1, arm=["random"], resume=True)
    with pytest.raises(ValueError, match="no arm hard; it has: random, semi-hard, smart, smart-g"):
        run(tmp_path, arm=["hard"])
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        run(tmp_path, epochs=0)


def test_without_the_one_shot_runs_the_rest_is_measured(splits, tmp_path, monkeypatch, capsys):
    def missing():
        raise DataError("not here")

    monkeypatch.setattr(data, "omniglot_one_shot", missing)
    (outcome,) = recipes.RECIPES["smart-mining"](tmp_path, epochs=1, arm=["smart-global"])
    assert outcome["one_shot"] is None
    assert "without the one-shot runs: not here" in capsys.readouterr().err
    assert "one_shot" not in (tmp_path / "expected.toml").read_text()


def test_a_batch_of_semi_hard_triplets_can_be_cut_to_as_many_as_the_others_have():
    rows, labels = torch.randn(12, 4), torch.arange(12) % 3
    whole = {
        *zip(*(part.tolist() for part in _train.semi_hard_triplets(rows, labels)), strict=True)
    }
    select = _train._semi_hard(7, seed=0)
    first, second = (
        [*zip(*(part.tolist() for part in select(rows, labels)), strict=True)] for _ in range(2)
    )
    assert len(set(first)) == 7
    assert set(first) | set(second) <= whole
    assert first != second


def test_ink_is_the_dark_share_of_each_part_of_the_picture():
    part = characters("A", 2, 1, 0)
    shrunk = ink(part)
    assert shrunk.shape == (2, 1, 28, 28)
    dark = part.images[1, :, :, 0] == 0
    for y, x in ((0, 0), (3, 11), (27, 27)):
        (top, bottom), (left, right) = ((i * 105 // 28, -(-(i + 1) * 105 // 28)) for i in (y, x))
        assert float(shrunk[1, 0, y, x]) == pytest.approx(dark[top:bottom, left:right].mean())
    assert embedder()(shrunk).shape == (2, 64)


def test_one_shot_counts_images_whose_nearest_example_is_theirs(splits):
    learner = _train.TripletLearner(torch.nn.Flatten())
    (run,) = data.omniglot_one_shot()
    both = [
        learner(1 - torch.nn.functional.adaptive_avg_pool2d(
            torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255, 28)).numpy()
        for pixels in (run.images, run.examples)
    ]  # fmt: skip
    nearest = ((both[0][:, None] - both[1][None]) ** 2).sum(-1).argmin(1)
    expected = (nearest == run.answers).mean()
    assert _train._one_shot(learner, (run, run)) == expected
    assert expected > 0
    assert recall_at_k(both[0], run.answers, (1,))[1] == 0  # without the examples there is none


def test_the_page_names_the_command():
    folder = Path(smart_mining.__file__).parent
    assert "bitgrove reproduce smart-mining" in (folder / "README.md").read_text()
    if (folder / "expected.toml").exists():
        figures = tomllib.loads((folder / "expected.toml").read_text())
        known = {arm.name: arm for arm in (*smart_mining.ARMS, *smart_mining.EXTRA)}
        for name, arm in figures["arms"].items():
            assert arm["lr"] == known[name].lr
            assert len(arm["recall_at_1"]) == len(figures["protocol"]["seeds"])
