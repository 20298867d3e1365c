"""The mathematics and the figures of docs/high-dimensions.md."""

import doctest
import importlib
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FIGURES = Path(__file__).resolve().parents[2] / "docs" / "figures"


@pytest.fixture(scope="module")
def maths():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FIGURES)
        yield importlib.import_module("_space")


def test_the_examples_run(maths):
    ran = doctest.testmod(maths)
    assert ran.attempted >= 3
    assert ran.failed == 0


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_the_ball_in_a_cube_is_as_large_as_chance_finds_it(maths, n):
    points = np.random.default_rng(n).uniform(-1, 1, (200_000, n))
    share = float(((points**2).sum(1) <= 1).mean())
    spread = math.sqrt(share * (1 - share) / len(points))
    assert abs(10 ** maths.log10_ball_in_cube(n) - share) <= 4 * spread + 1e-12


def test_the_ball_in_128_dimensions_fills_next_to_nothing(maths):
    # By hand: pi^64 / 64! / 2^128.
    assert maths.log10_ball_in_cube(128) == pytest.approx(
        64 * math.log10(math.pi) - math.log10(math.factorial(64)) - 128 * math.log10(2)
    )
    assert round(maths.log10_ball_in_cube(128)) == -96


@pytest.mark.parametrize("n", [2, 3, 9, 12])
def test_the_middle_ball_touches_the_corner_balls(maths, n):
    # Cube of half edge 1; a corner ball has its centre at (1/2, ..., 1/2) and radius 1/2.
    radius = maths.centre_ball(n)
    middle = np.full(n, 0.5)
    touching = radius * middle / np.linalg.norm(middle)
    assert np.linalg.norm(touching - middle) == pytest.approx(0.5)
    assert (radius > 1) == (n > 9)  # beyond the faces, which are 1 away


def test_the_empty_ball_follows_from_the_volume_in_few_dimensions(maths):
    # P(no point of N within r) = (1 - V r^n / 2^n)^N: the median of r in the plane and in space.
    for n, volume in ((2, math.pi), (3, 4 / 3 * math.pi)):
        radii = [maths.empty_radius(n, 1000, np.random.default_rng(s)) for s in range(300)]
        median = (2**n / volume * (1 - 0.5 ** (1 / 1000))) ** (1 / n)
        assert np.median(radii) == pytest.approx(median, rel=0.1)


@pytest.mark.parametrize("n", [2, 4, 8])
def test_the_dimension_of_a_flat_sheet_in_space_is_its_own(maths, n):
    rng = np.random.default_rng(n)
    turn = np.linalg.qr(rng.standard_normal((20, 20)))[0]
    rows = np.pad(rng.standard_normal((4000, n)), ((0, 0), (0, 20 - n))) @ turn
    near = np.sqrt(np.sort(maths.squared_distances(rows[:300], rows), axis=1)[:, 1:21])
    assert maths.intrinsic_dimension(near) == pytest.approx(n, rel=0.12)


def test_the_dimension_is_that_of_the_definition(maths):
    near = np.sort(np.random.default_rng(0).random((5, 7)) + 0.1, axis=1)
    inverses = [
        sum(math.log(row[6] / row[j]) for j in range(6)) / 5  # k = 7: k - 1 logs over k - 2
        for row in near
    ]
    assert maths.intrinsic_dimension(near) == pytest.approx(1 / np.mean(inverses))


def test_degrees_are_those_of_the_rule_and_below_the_kissing_number(maths):
    for n in (2, 3, 6):
        rows = np.random.default_rng(n).random((150, n))
        distance = np.sqrt(((rows[:, None] - rows) ** 2).sum(-1))
        for vertex in range(5):
            kept: list[int] = []
            for end in np.argsort(distance[vertex])[1:]:
                if not any(distance[end, other] < distance[vertex, end] for other in kept):
                    kept.append(end)
            assert maths.occlusion_degree(rows, vertex) == len(kept)
            assert 1 < len(kept) <= maths.KISSING.get(n, math.inf)
            for i, a in enumerate(kept):
                for b in kept[:i]:
                    u, v = rows[a] - rows[vertex], rows[b] - rows[vertex]
                    cosine = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
                    assert cosine <= 0.5 + 1e-9  # at least 60 degrees apart


def test_a_tree_opens_little_in_the_plane_and_all_of_it_in_many_dimensions(maths):
    rng = np.random.default_rng(0)
    rows, queries = (rng.random((n, 64), np.float32) for n in (4000, 20))
    flat = maths.tree_share(rows[:, :2].copy(), queries[:, :2].copy())
    assert maths.LEAF / 2 / 4000 < flat < 4 * maths.LEAF / 4000
    assert maths.tree_share(rows, queries) > 0.99
    assert maths.tree_share(rows[: maths.LEAF], queries) == 1


def test_the_figures_are_those_of_the_measured_file():
    mpl = pytest.importorskip("matplotlib")
    drawn_by = json.loads((FIGURES / "high_dimensions.json").read_text())["protocol"]["matplotlib"]
    if mpl.__version__ != drawn_by:
        pytest.skip(f"the figures were drawn by matplotlib {drawn_by}, here is {mpl.__version__}")
    command = [sys.executable, FIGURES / "high_dimensions.py", "--check"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    for name in ("space", "graph"):
        assert (FIGURES / f"high-dimensions-{name}.svg").stat().st_size < 200_000


def test_the_page_repeats_what_was_measured():
    pytest.importorskip("matplotlib")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FIGURES)
        script = importlib.import_module("high_dimensions")
    facts = script.facts(json.loads((FIGURES / "high_dimensions.json").read_text()))
    page = " ".join((FIGURES.parent / "high-dimensions.md").read_text().split())
    missing = {name: told for name, told in facts.items() if told not in page}
    assert not missing
