"""Means and deviations in the tables of a page are those of the figures beside it."""

import re
import statistics
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bitgrove import recipes

ROOT = Path(recipes.__file__).parent
PAGES = sorted(path.parent.name for path in ROOT.glob("*/expected*.toml"))
SPREAD = re.compile(r"(-?[\d.]+) ± ([\d.]+)")
ELSEWHERE = {"fern_histology": {("87.6", "0.7"), ("84.5", "4.9"), ("88.1", "3.4")}}
"""What a page says of runs that are not in its file."""


def lists(value) -> Iterator[list[float]]:
    if isinstance(value, dict):
        for one in value.values():
            yield from lists(one)
    elif isinstance(value, list) and len(value) > 1 and all(type(v) in (int, float) for v in value):
        yield value


def says(shown: tuple[str, str], values: list[float]) -> bool:
    places = len(shown[0].partition(".")[2])
    close = 0.5 * 10**-places + 0.006  # figures are rounded in the file too
    for scale in (1, 100):
        mean, deviation = scale * statistics.fmean(values), scale * statistics.stdev(values)
        if abs(mean - float(shown[0])) <= close and abs(deviation - float(shown[1])) <= close:
            return True
    return False


@pytest.mark.parametrize("name", sorted(set(PAGES)))
def test_a_pages_spreads_are_those_of_its_figures(name):
    folder = ROOT / name
    figures = [tomllib.loads(path.read_text()) for path in folder.glob("expected*.toml")]
    known = [values for file in figures for values in lists(file)]
    rows = [line for line in (folder / "README.md").read_text().splitlines() if line[:1] == "|"]
    shown = {match for row in rows for match in SPREAD.findall(row)}
    wrong = [s for s in shown if not any(says(s, values) for values in known)]
    assert set(wrong) <= ELSEWHERE.get(name, set())


@pytest.mark.parametrize("name", ["uh_bdnn", "sh_bdnn", "sift_codes"])
def test_every_row_of_a_table_of_codes_is_in_its_file(name):
    figures = {}
    for path in (ROOT / name).glob("expected*.toml"):
        figures |= tomllib.loads(path.read_text())
    methods = {m.title: m.name for m in _study(name).methods}
    lines = (ROOT / name / "README.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]
    rows = [row for row in rows if len(row) == 7 and row[1] in methods]
    shown = set()
    for data, title, bits, *values, _ in rows:
        cell = figures[data][methods[title]][f"bits-{bits}"]
        shown.add((data, methods[title], f"bits-{bits}"))
        for key, text in zip(("map", "precision_at_radius_2", "empty_balls"), values, strict=True):
            mean = 100 * statistics.fmean(cell[key])
            assert float(text.partition(" ± ")[0]) == pytest.approx(mean, abs=0.0062)
    held = {
        (data, method, bits)
        for data, table in figures.items()
        if data != "protocol"
        for method, cells in table.items()
        for bits in cells
    }
    assert shown == held


def _study(name):
    from bitgrove.recipes.sh_bdnn.recipe import STUDY as SUPERVISED
    from bitgrove.recipes.sift_codes.recipe import study
    from bitgrove.recipes.uh_bdnn.recipe import STUDY

    return {"uh_bdnn": STUDY, "sh_bdnn": SUPERVISED, "sift_codes": study(100_000)}[name]
