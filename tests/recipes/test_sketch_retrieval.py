"""The sketch recipe from end to end, on boxes and their outlines."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from bitgrove import data, recipes
from bitgrove.data import Contours, Photographs
from bitgrove.hashing import Described, SketchLoss, accuracy_at
from bitgrove.jobs import InterruptedRunError
from bitgrove.recipes import sketch_retrieval
from bitgrove.recipes.sketch_retrieval import (
    _attributes,
    _figures,
    _moves,
    _parts,
    _pictures,
    _score,
    _train,
    _untrained,
    recipe,
)

SIZES = {"train": 6, "val": 2, "test": 4}
DRAWN = 2


@pytest.fixture
def boxes(monkeypatch):
    """Photographs that lie and that stand, with one box each; three people draw its outline."""
    rng = np.random.default_rng(0)
    names = tuple(f"{part}/{i}.jpg" for part, n in SIZES.items() for i in range(n))
    images, maps = [], []
    for number in range(len(names)):
        h, w = (321, 340) if number % 2 else (340, 321)
        image = rng.integers(0, 20, (h, w, 3)).astype(np.uint8)
        drawn = np.zeros((DRAWN, h, w), bool)
        top, left, high, wide = rng.integers((40, 40, 60, 60), (140, 140, 150, 150))
        image[top : top + high, left : left + wide, number % 3] += 120
        for one, off in zip(drawn, (-2, 2), strict=True):
            y, x = [top + off, top + high + off], [left + off, left + wide + off]
            one[y, x[0] : x[1] + 1] = True
            one[y[0] : y[1] + 1, x] = True
        images.append(image)
        maps.append(drawn)
    contours = Contours(
        names,
        tuple(m.shape for m in maps),
        tuple(np.packbits(m.reshape(DRAWN, -1), axis=1) for m in maps),
    )
    monkeypatch.setattr(data, "load_bsds500", lambda: Photographs(tuple(images), names))
    monkeypatch.setattr(data, "load_bsds500_contours", lambda: contours)
    monkeypatch.setattr(_train, "BATCH", 4)
    monkeypatch.setattr(_train, "ROUNDS", 2)
    monkeypatch.setattr(recipe, "_SAMPLES", 50)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield contours
    torch.set_num_threads(threads)


def test_every_arm_is_measured_and_written_down(boxes, tmp_path, capsys, monkeypatch):
    run = recipes.RECIPES["sketch-retrieval"]
    options = {"seed": 3, "seeds": 2, "epochs": 2, "width": 4}
    outcomes = run(tmp_path, **options)
    assert [o["arm"] for o in outcomes] == [arm.name for arm in sketch_retrieval.ARMS] * 2
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["outcomes"] == outcomes
    chance, triplet, full = (
        next(o for o in outcomes if o["arm"] == name) for name in ("chance", "triplet", "full")
    )
    assert chance["accuracy"]["real"]["1"]["value"] == 0.25
    assert set(triplet["accuracy"]) == {"real", "codes"}
    assert set(full["accuracy"]) == {"real", "codes", "with_attributes"}
    assert set(full["attributes_right"]["drawings"]) == set(_attributes.ATTRIBUTES)
    figures = tomllib.loads((tmp_path / "expected.toml").read_text())
    assert figures["protocol"]["split"] == (
        "12 drawings of 6 photographs to train on; 4 drawings of 2 photographs chose the epoch; "
        "8 drawings of 4 photographs tested once by each network"
    )
    mean = np.mean([o["accuracy"]["codes"]["1"]["value"] for o in outcomes if o["arm"] == "full"])
    assert figures["arms"]["full"]["codes"]["acc_1_mean"] == pytest.approx(mean, abs=1e-4)
    assert (tmp_path / "answers.png").read_bytes()[:4] == b"\x89PNG"
    assert "codes of 64 bits" in capsys.readouterr().out
    monkeypatch.setattr(recipe, "_measure", None)  # nothing is left to do
    assert run(tmp_path, resume=True, **options) == outcomes
    with pytest.raises(ValueError, match="was made with other settings"):
        run(tmp_path, resume=True, epochs=3, width=4, seed=3, arm=["full"])


def test_a_run_goes_on_after_ctrl_c_and_repeats_itself(boxes, tmp_path, monkeypatch):
    options = {"epochs": 1, "width": 4, "arm": ["hog", "attributes"]}
    whole = recipe.run(tmp_path / "whole", **options)
    with monkeypatch.context() as patch:

        def interrupted(*_):
            raise KeyboardInterrupt

        patch.setattr(recipe, "train", interrupted)
        with pytest.raises(InterruptedRunError, match="outcomes kept: 1; --resume goes on"):
            recipe.run(tmp_path / "parts", **options)
    resumed = recipe.run(tmp_path / "parts", resume=True, **options)
    for one, other in zip(whole, resumed, strict=True):
        assert one["accuracy"] == other["accuracy"]
        assert one.get("curve") == other.get("curve")


def test_parts_keep_to_themselves_what_was_drawn_of_their_photographs(boxes):
    parts = _parts.load()
    assert [len(part) for part in parts] == [DRAWN * n for n in SIZES.values()]
    names = [name for part in parts for name in part.names]
    assert len(set(names)) == len(names) == sum(SIZES.values())
    test = parts.test
    assert test.photograph.tolist() == np.repeat(range(4), DRAWN).tolist()
    assert test.thumbnails.shape == (4, 64, 64, 3)
    assert test.edges.shape[1:] == test.drawings.shape[1:] == (1, 64, 64)
    near = torch.nn.functional.max_pool2d(test.edges[test.photograph], 3, 1, 1)
    assert (near[test.drawings > 0.5] > 0.3).float().mean() > 0.9  # outlines lie on edges


def test_edges_are_thin_lines_where_a_colour_steps():
    colours = np.full((3, 40, 50), 90, np.uint8)
    colours[1, :, 20:] = 180
    found = _pictures.edges(colours)
    assert (found.max(1) == 1).all()
    assert set(np.argwhere(found > 0.5)[:, 1].tolist()) <= {19, 20}
    assert ((found > 0.5).sum(1) == 1).all()
    assert not _pictures.edges(np.full((3, 40, 50), 7, np.uint8)).any()


def test_a_move_enlarges_about_the_middle_and_then_shifts_right_and_down():
    picture = torch.zeros(1, 1, 64, 64)
    picture[0, 0, 30:34, 40:44] = 1
    moves = _moves.Moves(torch.tensor([1.0]), torch.tensor([[8 / 64, -3 / 64]]))
    shifted = torch.zeros_like(picture)
    shifted[0, 0, 27:31, 48:52] = 1
    torch.testing.assert_close(_moves.move(picture, moves), shifted, atol=1e-4, rtol=0)
    doubled = _moves.move(picture, _moves.Moves(torch.tensor([2.0]), torch.zeros(1, 2)))[0, 0]
    rows, columns = (torch.nonzero(doubled.sum(1 - axis) > 4).ravel() for axis in range(2))
    assert (rows.min().item(), rows.max().item()) == (28, 35)  # 30..34 less 32, doubled
    assert (columns.min().item(), columns.max().item()) == (48, 55)
    drawings = torch.rand(5, 1, 64, 64)
    torch.testing.assert_close(_moves.as_asked(drawings), _moves.as_asked(drawings))
    assert (_moves.as_asked(drawings) - drawings).abs().max() > 0.1


def attribute(name, drawn):
    return _attributes.statistics(drawn)[:, _attributes.ATTRIBUTES.index(name)]


def test_attributes_say_what_their_names_say():
    level, upright, slanted, box, none = drawn = np.zeros((5, 64, 64), np.float32)
    level[20] = 1
    upright[10:, 12] = 1
    slanted[range(64), range(64)] = 1
    box[[24, 40], 24:41] = 1
    box[24:41, [24, 40]] = 1
    assert np.isfinite(_attributes.statistics(drawn)).all()
    assert not none.any()
    assert attribute("more upright than level", drawn).argmax() == 1
    assert attribute("more upright than level", drawn).argmin() == 0
    assert attribute("much is slanted", drawn).argmax() == 2
    assert attribute("drawn in the middle", drawn)[3] == 1
    assert attribute("drawn above rather than below", drawn)[0] == 1
    assert attribute("drawn on the left rather than on the right", drawn)[1] == 1
    assert attribute("many areas", drawn).tolist() == [2, 1, 2, 2, 1]
    assert attribute("a level line goes across", drawn).argmax() == 0
    assert attribute("a large empty place", drawn).argmax() == 4
    np.testing.assert_allclose(attribute("the longest line holds much", drawn), [1, 1, 1, 1, 0])
    sides = attribute("left mirrors right", drawn)
    assert sides[0] > 0.9 > 0.2 > sides[1]
    mirrored = _attributes.statistics(drawn[:, :, ::-1])
    turned = _attributes.ATTRIBUTES.index("drawn on the left rather than on the right")
    same = np.delete(np.arange(len(_attributes.ATTRIBUTES)), turned)
    plain = _attributes.statistics(drawn)
    np.testing.assert_allclose(mirrored[:, turned], -plain[:, turned], atol=1e-6)
    np.testing.assert_allclose(mirrored[:, same], plain[:, same], atol=1e-5)


def test_what_a_drawing_is_said_to_have_is_never_read_off_itself():
    values, photograph = np.random.default_rng(0).normal(size=(9, 2)), np.repeat([0, 1, 2], 3)
    drawings, photographs = _attributes.of_others(values, photograph)
    for i in range(9):
        others = [j for j in range(9) if photograph[j] == photograph[i] and j != i]
        np.testing.assert_allclose(drawings[i], values[others].mean(0))
    np.testing.assert_allclose(photographs[1], values[3:6].mean(0))


def test_a_drawing_is_held_against_the_nearest_photographs_of_the_batch(monkeypatch):
    monkeypatch.setattr(_train, "_HARDEST", 2)
    rng = np.random.default_rng(0)
    rows = torch.tensor(rng.normal(size=(10, 4)))
    logits, truths = torch.zeros(10, 1), torch.ones(5, 1)
    loss = SketchLoss(margin=0.5, attribute_weight=0, ranking_weight=0)
    value = _train._loss(loss, Described(rows, logits), truths, truths)
    wanted = []
    for i in range(5):
        far = [torch.dist(rows[i], rows[5 + j]).item() for j in range(5)]
        wanted += [max(0, 0.5 + far[i] - d) for d in sorted(far[:i] + far[i + 1 :])[:2]]
    assert value.item() == pytest.approx(np.mean(wanted), rel=1e-4)


def test_histograms_tell_directions_apart_and_not_strengths():
    drawn = np.zeros((3, 64, 64), np.float32)
    drawn[0, :, 32] = 1
    drawn[1, :, 32] = 0.5
    drawn[2, 32] = 1
    found = _untrained.histograms(drawn)
    assert found.shape == (3, 7, 7, 32)
    a, b, c = found.reshape(3, -1)
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.99
    assert a @ c / np.linalg.norm(a) / np.linalg.norm(c) < 0.5


def test_hits_are_those_of_the_accuracy_and_differences_those_of_the_hits(boxes):
    test = _parts.load().test
    rng = np.random.default_rng(0)
    tables = [rng.integers(0, 3, (len(test), 4)) for _ in range(2)]
    hits = [_score.hits(table, test) for table in tables]
    for table, hit in zip(tables, hits, strict=True):
        found = accuracy_at(table, test.photograph, (1,))[1].value
        assert np.mean(hit["1"]) == pytest.approx(found)
    arms = [arm for arm in sketch_retrieval.ARMS if arm.name in ("triplet", "full")]
    outcomes = [
        {"arm": arm.name, "accuracy": {"real": {}}, "hits": {"real": hit}}
        for arm, hit in zip(arms, hits, strict=True)
    ]
    found = _figures.differences(arms, outcomes, test, 400)
    assert set(found) == {"full/real"}
    middle, low, high = found["full/real"]["acc_1"]
    assert middle == pytest.approx(np.mean(hits[1]["1"]) - np.mean(hits[0]["1"]))
    assert low <= middle <= high
    assert low < high


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arm": ["sbir"]}, "has no arm sbir; it has: chance, pixels, hog, triplet"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"width": 0}, "width must be at least 1, got 0"),
    ],
)
def test_what_there_is_not_is_named(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        sketch_retrieval.run(tmp_path, **options)


def test_the_page_names_the_command_and_its_figures_are_of_these_arms():
    folder = Path(sketch_retrieval.__file__).parent
    assert "bitgrove reproduce sketch-retrieval" in (folder / "README.md").read_text()
    if (folder / "expected.toml").exists():
        figures = tomllib.loads((folder / "expected.toml").read_text())
        assert set(figures["arms"]) <= {arm.name for arm in sketch_retrieval.ARMS}
        for arm in figures["arms"].values():
            assert len(arm["real"]["acc_1"]) == len(figures["protocol"]["seeds"])
