import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from bitgrove import recipes
from bitgrove.cli._fit import check_out
from bitgrove.data import DataError
from bitgrove.metrics import mean_average_precision
from bitgrove.recipes import sift_codes
from bitgrove.recipes.sift_codes import recipe
from bitgrove.recipes.sift_codes._task import Sizes, descriptors

METHODS = ["uh-bdnn", "itq", "pcah", "spectral", "lsh"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Descriptors of a few clusters."""
    random = np.random.default_rng(0)
    centres = random.integers(40, 180, (30, 128))
    (tmp_path / "data" / "sift").mkdir(parents=True)
    for name, rows in (("base", 1500), ("learn", 300), ("query", 40)):
        found = centres[random.integers(0, 30, rows)] + random.integers(-30, 30, (rows, 128))
        np.save(tmp_path / "data" / "sift" / f"{name}.npy", found.astype(np.uint8))
    monkeypatch.setenv("BITGROVE_DATA", str(tmp_path / "data"))
    return tmp_path


@pytest.fixture
def quick(monkeypatch):
    from bitgrove.hashing import UHBDNN

    plain = UHBDNN._learn

    def learn(self, features, labels):
        self.rounds, self.iterations = 1, 20
        plain(self, features, labels)

    monkeypatch.setattr(UHBDNN, "_learn", learn)


def test_parts_keep_the_proportions_of_the_protocol():
    assert Sizes.of(1_000_000) == (1_000_000, 100_000, 10_000, 10_000)
    assert Sizes.of(20_000) == (20_000, 2000, 200, 200)
    for rows in (999, 1_000_001):
        with pytest.raises(ValueError, match=f"rows must be 1000 to 1000000, got {rows}"):
            Sizes.of(rows)


def test_right_are_the_nearest_rows_of_the_base(folder):
    task = descriptors(Sizes.of(1000))
    assert [len(part) for part in (task.gallery, task.train, task.queries)] == [1000, 100, 10]
    assert task.at == 10
    assert "not SIFT1M" in task.about["what"]
    everything = np.load(folder / "data" / "sift" / "base.npy")
    assert {row.tobytes() for row in task.gallery.astype(np.uint8)} < {
        row.tobytes() for row in everything
    }
    for query in range(10):
        squares = ((task.gallery - task.queries[query]) ** 2).sum(1)
        right = [
            bool(task.relevant.pairs(np.array([query]), np.array([row]))[0]) for row in range(1000)
        ]
        assert sum(right) == 10
        assert squares[right].max() <= np.sort(squares)[9]


@pytest.mark.usefixtures("quick")
def test_the_table_is_filled_with_scores_of_the_first_rows(folder, capsys):
    out = folder / "run"
    results = recipes.RECIPES["sift-codes"](out, seeds=2, rows=1000, arm=["8"])
    assert json.loads((out / "results.json").read_text()) == results
    cells = {(row["method"], row["seed"]) for row in results["outcomes"]}
    drawn = {"uh-bdnn", "itq", "lsh"}
    assert cells == {(m, s) for m in METHODS for s in (0, 1) if s == 0 or m in drawn}
    assert "sift-codes --seed 0 --seeds 2 --rows 1000" in results["protocol"]["command"]
    assert "computed from BSDS500" in (out / "report.html").read_text()
    assert capsys.readouterr().out.count("| sift-1000 |") == 5
    check_out(out, resume=True, overwrite=False)  # as the command does
    with pytest.raises(ValueError, match="holds a run"):
        check_out(out, resume=False, overwrite=False)
    itq = next(row for row in results["outcomes"] if row["method"] == "itq")
    with np.load(out / "sift-1000" / "itq-8" / "seed-0" / "codes.npz") as codes:
        task = descriptors(Sizes.of(1000))
        found, whole = (
            mean_average_precision(
                codes["queries"], codes["gallery"], task.relevant, at=at, divisor="relevant"
            )
            for at in (10, None)
        )
    assert itq["map_rectangle"] == found < whole


def test_too_few_descriptors_are_said(folder):
    with pytest.raises(DataError, match=r"base.npy holds 1500 descriptors, 2000 are needed; ask"):
        descriptors(Sizes.of(2000))


def test_the_page_names_the_command_and_what_the_data_are():
    folder = Path(sift_codes.__file__).parent
    text = (folder / "README.md").read_text()
    assert "bitgrove reproduce sift-codes" in text
    assert "SIFT-1M computed from BSDS500" in text
    figures = tomllib.loads((folder / "expected.toml").read_text())
    assert figures["protocol"]["seeds"] == [0, 1, 2]
    (dataset,) = set(figures) - {"protocol"}
    assert set(figures[dataset]) <= set(METHODS)
    assert len(figures[dataset]) > 3
    assert recipe.study(1_000_000).protocol["descriptors"] == figures["protocol"]["descriptors"]
    for method in figures[dataset].values():
        for bits, cell in method.items():
            line = f"| {bits.removeprefix('bits-')} | {100 * np.mean(cell['map']):.2f}"
            assert line in text
