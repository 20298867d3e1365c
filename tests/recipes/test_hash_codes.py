import dataclasses
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from bitgrove import recipes
from bitgrove.metrics import SplitRule, protocol
from bitgrove.recipes import sh_bdnn, uh_bdnn
from bitgrove.recipes._hash_codes import _run, keeping, tasks
from bitgrove.recipes._hash_codes._figures import spread

UNSUPERVISED = ["uh-bdnn", "itq", "deep-hashing", "pcah", "spectral", "lsh"]
SUPERVISED = ["sh-bdnn", "sdh", "cca-itq", "supervised-deep-hashing", "class-codes"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Networks learn little, so that the table is quick."""
    from bitgrove.hashing import SHBDNN, UHBDNN

    for method in (SHBDNN, UHBDNN):
        plain = method._learn

        def learn(self, features, labels, plain=plain):
            self.rounds, self.iterations, self.validation = 1, 10, 200
            plain(self, features, labels)

        monkeypatch.setattr(method, "_learn", learn)


@pytest.mark.parametrize(("name", "methods"), [("uh-bdnn", UNSUPERVISED), ("sh-bdnn", SUPERVISED)])
def test_a_table_is_filled_kept_and_resumed(tmp_path, capsys, monkeypatch, name, methods):
    run = recipes.RECIPES[name]
    given = {"seeds": 2, "arm": ["digits", "8"]}
    results = run(tmp_path, **given)
    assert json.loads((tmp_path / "results.json").read_text()) == results
    cells = {(row["method"], row["seed"]) for row in results["outcomes"]}
    drawn = set(methods) - {
        "deep-hashing",
        "supervised-deep-hashing",
        "pcah",
        "spectral",
        "class-codes",
    }
    assert cells == {(m, s) for m in methods for s in (0, 1) if s == 0 or m in drawn}
    for row in results["outcomes"]:
        assert 0 < row["map"] < 1
        assert 0 <= row["empty_balls"] < 0.5
        assert row["map"] != row["map_rectangle"]
    networks = [row for row in results["outcomes"] if row["method"] == name]
    assert all(len(row["evaluations"]) == len(row["validation_map"]) <= 2 for row in networks)
    figures = tomllib.loads((tmp_path / "expected.toml").read_text())
    assert set(figures["digits"]) == set(methods)
    assert len(figures["digits"][name]["bits-8"]["map"]) == 2
    assert figures["protocol"]["data"]["digits"]["queries"] == 359
    assert capsys.readouterr().out.count("| digits |") == len(methods)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<tr>") == len(methods) + 1
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(_run, "draw", lambda *_: b"")  # once is enough
    with pytest.raises(ValueError, match="--overwrite replaces it"):
        run(tmp_path, **given)
    for fit in tmp_path.glob("digits/*/*/fit.json"):
        fit.unlink()  # outcomes are enough
    assert run(tmp_path, resume=True, **given)["outcomes"] == results["outcomes"]
    with pytest.raises(ValueError, match="made with other settings"):
        run(tmp_path, resume=True, precision="float32", **given)


def test_codes_that_are_kept_are_scored_without_another_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(_run, "draw", lambda *_: b"")
    run = recipes.RECIPES["uh-bdnn"]
    given = {"arm": ["digits", "itq", "12"]}
    first = run(tmp_path, **given)["outcomes"]
    folder = tmp_path / "digits" / "itq-12" / "seed-0"
    (folder / "outcome.json").unlink()
    monkeypatch.setattr("bitgrove.hashing.ITQ.fit", None)
    assert run(tmp_path, resume=True, **given)["outcomes"] == first
    (folder / "outcome.json").unlink()
    (folder / "codes.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match="is damaged"):
        run(tmp_path, resume=True, **given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"precision": "bfloat16"}, "precision must be float64 or float32 in uh-bdnn"),
        (
            {"arm": ["mnits"]},
            "no arm mnits; there are the data sets mnist, cifar10, cifar10-network, mnist-10k",
        ),
        ({"arm": ["0"]}, "code lengths must be at least 1, got 0"),
    ],
)
def test_arguments_that_fit_nothing_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        recipes.RECIPES["uh-bdnn"](tmp_path, **options)


def test_features_that_are_kept_are_not_computed_again(tmp_path):
    asked = []
    features = keeping(lambda images: asked.append(1) or tasks.pixels(images), tmp_path / "run")
    images = np.random.default_rng(0).integers(256, size=(6, 2, 3, 1), dtype=np.uint8)
    first = features(images)
    np.testing.assert_array_equal(first, tasks.pixels(images))
    np.testing.assert_array_equal(features(images.copy()), first)
    assert len(asked) == 1
    features(images.reshape(6, 3, 2, 1))
    features(images[:5])
    assert len(asked) == 3
    for path in tmp_path.glob("run/*.npy"):
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"is damaged .*delete it to run anew"):
        features(images)


def test_neighbours_are_those_of_all_distances():
    task = tasks.by_neighbours("digits", tasks.pixels, "")
    assert task.train is task.gallery
    distances = ((task.queries[:20, None] - task.gallery) ** 2).sum(2)
    want = np.argsort(distances, axis=1)[:, : tasks.NEIGHBOURS]
    pairs = np.arange(20)[:, None], want
    shape = pairs[1].shape
    asked = np.broadcast_to(pairs[0], shape).ravel()
    assert task.relevant.pairs(asked, want.ravel()).mean() > 0.999  # equal distances


def test_training_rows_are_those_that_the_protocol_draws():
    assert protocol("uh-bdnn").neighbours == tasks.NEIGHBOURS
    assert tasks.SH_BDNN is protocol("sh-bdnn")
    few = dataclasses.replace(
        tasks.SH_BDNN, rule=SplitRule(None, train=40, validation=("class", 9))
    )
    task = tasks.by_labels("digits", tasks.pixels, "", few)
    whole = tasks.gallery("digits")
    images, labels = whole.images, whole.labels
    random = np.random.default_rng(0)
    dealt = [random.permutation(np.flatnonzero(labels == each))[:49] for each in range(10)]
    rows = random.permutation(np.concatenate(dealt))
    np.testing.assert_array_equal(task.train, tasks.pixels(images)[rows])
    assert task.labels is not None
    assert np.bincount(task.labels).tolist() == [49] * 10
    everyone = tasks.by_labels("digits", tasks.pixels, "", None)
    assert len(everyone.train) == len(everyone.gallery) == 1438


def test_the_spread_is_shown_where_there_are_several():
    assert spread([0.1]) == "10.00"
    assert spread([0.1, 0.3]) == "20.00 ± 14.14"


@pytest.mark.parametrize("module", [uh_bdnn, sh_bdnn])
def test_the_page_names_the_command_and_holds_the_figures(module):
    folder = Path(module.__file__).parent
    name = module.recipe.STUDY.name
    assert f"bitgrove reproduce {name}" in (folder / "README.md").read_text()
    figures = tomllib.loads((folder / "expected.toml").read_text())
    assert figures["protocol"]["study"] == name
    study, kept = module.recipe.STUDY, figures.keys() - {"protocol"}
    assert kept == figures["protocol"]["data"].keys() <= {**study.datasets, **study.extra}.keys()
    for dataset in kept:
        for bits, cell in figures[dataset][name].items():
            assert len(cell["map"]) == len(cell["seeds"]) == len(cell["evaluations"])
            assert int(bits.removeprefix("bits-")) in study.bits
