"""The recipes with decision forests on made-up pictures: seconds, not minutes."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from bitgrove import data, models, recipes, runtime
from bitgrove.data import Faces, FaceSplits, ImageData, Splits
from bitgrove.recipes import keypoints, ndf
from bitgrove.recipes.keypoints.recipe import errors


def bars(n, seed):
    """A bright row or a bright column in noise."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 40, (n, 12, 12, 1), np.uint8)
    labels = np.arange(n) % 2
    for image, label in zip(images, labels, strict=True):
        at = rng.integers(1, 11)
        image[(at, slice(None)) if label == 0 else (slice(None), at)] += 150
    return ImageData(images, labels, ("row", "column"), tuple(f"{seed}/{i}" for i in range(n)))


@pytest.fixture
def splits(monkeypatch):
    parts = Splits(bars(400, 0), bars(60, 1), bars(80, 2))
    monkeypatch.setattr(data, "load_splits", lambda name: parts)
    return parts


def test_every_arm_is_trained_hardened_packed_and_written_down(splits, tmp_path, capsys):
    out = tmp_path / "run"
    outcomes = recipes.RECIPES["ndf-mnist"](out, epochs=5, width=4, seed=1, threads=1)
    assert [o["arm"] for o in outcomes] == [arm.name for arm in ndf.ARMS]
    assert json.loads((out / "results.json").read_text())["outcomes"] == outcomes
    softmax, em, *_ = outcomes
    assert softmax["test_accuracy"] > 0.75
    assert "hard" not in softmax
    assert em["test_accuracy"] > 0.75
    assert em["hard"] > 0.75
    assert em["packed"]["same_answer"] == em["packed"]["equal"] == 1
    session = runtime.load(out / "forest-em" / "seed-1" / "model.grove")
    answers = [p.label for p in session.predict(list(splits.test.images))]
    right = np.mean(np.array(answers) == np.array(splits.test.classes)[splits.test.labels])
    assert right == em["hard"]
    saved = models.load(out / "forest-em" / "seed-1" / "model.safetensors")
    assert saved.labels == ("row", "column")
    figures = tomllib.loads((out / "expected.toml").read_text())
    assert figures["arms"]["forest-em"]["hard_mean"] == round(em["hard"], 4)
    assert "Forest, EM, slope 1 to 10" in capsys.readouterr().out
    again = recipes.RECIPES["ndf-mnist"](out, epochs=5, width=4, seed=1, resume=True)
    assert [o["seconds"] for o in again] == [o["seconds"] for o in outcomes]
    with pytest.raises(ValueError, match="was made with other settings"):
        recipes.RECIPES["ndf-mnist"](out, epochs=6, width=4, seed=1, resume=True)


def test_numbers_and_arms_that_make_no_run_are_refused(tmp_path):
    for name in ("ndf-mnist", "ndf-keypoints"):
        run = recipes.RECIPES[name]
        with pytest.raises(ValueError, match="seeds must be at least 1, got 0"):
            run(tmp_path, seeds=0)
        with pytest.raises(ValueError, match="no arm oak"):
            run(tmp_path, arm=["oak"])


@pytest.fixture
def faces(monkeypatch):
    """A spot for each of 68 landmarks, all of them moved together."""

    def make(n, seed):
        rng = np.random.default_rng(seed)
        moves = rng.integers(-8, 9, (n, 1, 2))
        points = np.stack(np.meshgrid(np.arange(17), np.arange(4)), -1).reshape(68, 2)
        points = (points * (4, 12) + (16, 24) + moves).astype(np.float32)
        images = np.zeros((n, 96, 96, 1), np.uint8)
        for image, shape in zip(images, points.astype(int), strict=True):
            image[shape[:, 1], shape[:, 0]] = 255
        return Faces(images, points, np.arange(n) + 1000 * seed)

    parts = FaceSplits(make(60, 0), make(20, 1), make(20, 2))
    monkeypatch.setattr(data, "load_faces", lambda: parts)
    return parts


def test_landmarks_are_measured_for_every_arm(faces, tmp_path, capsys):
    outcomes = keypoints.run(tmp_path / "run", epochs=1, threads=1)
    assert [o["arm"] for o in outcomes] == [arm.name for arm in keypoints.ARMS]
    mean = outcomes[0]
    expected = np.linalg.norm(faces.train.keypoints.mean(0) - faces.test.keypoints, axis=2)
    assert mean["pixels"] == pytest.approx(expected.mean(), rel=1e-5)
    assert all(o["pixels"] < mean["pixels"] for o in outcomes[1:])
    figures = tomllib.loads((tmp_path / "run" / "expected.toml").read_text())
    assert figures["arms"]["linear"]["pixels_mean"] == round(outcomes[2]["pixels"], 4)
    assert "Cascade, linear stages" in capsys.readouterr().out
    again = keypoints.run(tmp_path / "run", epochs=1, resume=True)
    assert again == outcomes
    with pytest.raises(ValueError, match="was made with other settings"):
        keypoints.run(tmp_path / "run", epochs=2, resume=True)


def test_errors_are_mean_distances_and_their_share_of_the_eyes():
    shape = np.zeros((2, 68, 2), np.float32)
    shape[:, 45] = (10, 0)
    shape[1, 45] = (1, 0)  # too near to divide by
    found = shape + np.array([3, 4], np.float32)
    one = Faces(np.zeros((2, 96, 96, 1), np.uint8), shape, np.arange(2))
    assert errors(found, one) == pytest.approx((5.0, 0.5))


@pytest.mark.parametrize("module", [ndf, keypoints])
def test_pages_name_their_commands(module):
    folder = Path(module.__file__).parent
    text = (folder / "README.md").read_text()
    for path in folder.glob("expected*.toml"):
        figures = tomllib.loads(path.read_text())
        assert f"bitgrove reproduce {figures['protocol']['study']}" in text
        assert set(figures["arms"]) <= {arm.name for arm in module.ARMS}
