"""The charts are read back from the page, as a reader would with a ruler."""

import math
import re
from dataclasses import replace

import pytest

from bitgrove import report


def panels(record, folder):
    source = report.write(record, folder).read_text("utf-8")
    return re.findall(r'<svg class="curve".*?</svg>', source, re.DOTALL)


def ticks(panel, axis):
    """Positions and values of an axis: those of y end at the grid, those of x are centred."""
    anchor, at = {"x": ("middle", "x"), "y": ("end", "y")}[axis]
    found = re.findall(rf'<text x="([\d.]+)" y="([\d.]+)" text-anchor="{anchor}">([\d.]+)', panel)
    return [(float(x if at == "x" else y), float(value)) for x, y, value in found]


def read(position, axis):
    (p0, v0), (p1, v1) = axis[0], axis[-1]
    return v0 + (position - p0) * (v1 - v0) / (p1 - p0)


def lines(panel, name):
    group = re.search(rf'<g class="line-{name}">.*?</g>', panel, re.DOTALL)[0]
    return [
        [tuple(map(float, point.split(","))) for point in piece.split()]
        for piece in re.findall(r'points="(.*?)"', group)
    ]


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize(("number", "key", "unit"), [(0, "loss", 1.0), (1, "accuracy", 100.0)])
def test_curve_shows_the_recorded_values(record, tmp_path, part, number, key, unit):
    panel = panels(record, tmp_path)[number]
    x_axis, y_axis = ticks(panel, "x"), ticks(panel, "y")
    (line,) = lines(panel, part)
    assert len(line) == len(record.curve) == 20
    for (x, y), row in zip(line, record.curve, strict=True):
        assert read(x, x_axis) == pytest.approx(row["epoch"], abs=0.01)
        # The words of a tick hang 4.5 units below its line; a tenth is the digit kept.
        shown = read(y + 4.5, y_axis)
        height = abs(y_axis[-1][0] - y_axis[0][0])
        span = abs(y_axis[-1][1] - y_axis[0][1])
        assert shown == pytest.approx(unit * row[f"{part}_{key}"], abs=0.11 * span / height)


def test_curve_starts_and_ends_at_the_frame_and_stays_inside(record, tmp_path):
    for panel in panels(record, tmp_path):
        frame = re.findall(r'class="grid" x1="([\d.]+)" x2="([\d.]+)" y1="([\d.]+)"', panel)
        heights = [float(y) for _, _, y in frame]
        for name in ("train", "validation"):
            (line,) = lines(panel, name)
            assert (line[0][0], line[-1][0]) == tuple(map(float, frame[0][:2]))
            assert all(min(heights) <= y <= max(heights) for _, y in line)
        assert max(heights) - min(heights) > 150


def test_chosen_epoch_is_marked_where_it_is(record, tmp_path):
    for panel in panels(record, tmp_path):
        (line,) = lines(panel, "validation")
        x, y = re.search(r'class="chosen-dot" cx="([\d.]+)" cy="([\d.]+)"', panel).groups()
        assert (float(x), float(y)) == pytest.approx(line[record.best_epoch - 1], abs=0.06)


def test_line_breaks_where_a_value_is_missing(record, tmp_path):
    losses = [3.0, 2.0, math.nan, 1.0, math.nan, 0.9, 0.8]
    curve = tuple({"epoch": e, "validation_loss": v} for e, v in enumerate(losses, 1))
    (panel,) = panels(replace(record, curve=curve, best_epoch=7), tmp_path)
    assert [len(piece) for piece in lines(panel, "validation")] == [2, 2]
    assert len(re.findall(r'<circle cx="[\d.]+" cy="[\d.]+" r="4"/>', panel)) == 1


def test_names_of_close_lines_do_not_overlap(record, tmp_path):
    curve = tuple({"epoch": e, "train_loss": 1 / e, "validation_loss": 1 / e} for e in range(1, 9))
    (panel,) = panels(replace(record, curve=curve), tmp_path)
    train, validation = (
        float(re.search(rf'<text x="[\d.]+" y="([\d.]+)">{name}<', panel)[1])
        for name in ("train", "validation")
    )
    assert abs(train - validation) >= 15


def widths(source, css_class):
    return [float(w) for w in re.findall(rf'class="{css_class}"[^>]* width="([\d.]+)%"', source)]


def test_parts_of_the_size_are_in_proportion(record, tmp_path):
    source = report.write(record, tmp_path).read_text("utf-8")
    part = source[source.index('id="size"') : source.index('id="latency"')]
    shown = [widths(part, f"part-{name}")[0] for name in ("network", "examples", "rest", "float32")]
    true = [100 * n / 452_108 for n in (31_244, 14_680, 289, 452_108)]
    assert shown == pytest.approx(true, abs=0.0051)
    starts = [float(x) for x in re.findall(r' x="([\d.]+)%"', part)]
    assert starts == pytest.approx([0, true[0], true[0] + true[1]], abs=0.0051)


def test_bars_and_whiskers_of_the_latency_are_in_proportion(record, tmp_path):
    source = report.write(record, tmp_path).read_text("utf-8")
    part = source[source.index('id="latency"') : source.index('id="training"')]
    bars = widths(part, "fill-main") + widths(part, "part-float32")
    assert bars == pytest.approx([100 * 0.4211 / 1.618, 100 * 1.314 / 1.618], abs=0.0051)
    whiskers = re.findall(r'class="whisker" x1="([\d.]+)%" x2="([\d.]+)%" y1="12"', part)
    expected = [(0.402, 0.455), (1.212, 1.618)]
    for shown, ends in zip(whiskers, expected, strict=True):
        assert list(map(float, shown)) == pytest.approx([100 * e / 1.618 for e in ends], abs=0.0051)


def test_accuracy_bars_carry_their_interval(record, tmp_path):
    source = report.write(record, tmp_path).read_text("utf-8")
    part = source[source.index('id="accuracy"') : source.index('id="teaching"')]
    assert widths(part, "fill-main") == pytest.approx([28100 / 287, 28400 / 287], abs=0.0051)
    first = re.search(r'class="whisker" x1="([\d.]+)%" x2="([\d.]+)%"', part).groups()
    assert list(map(float, first)) == pytest.approx([95.5, 99.0], abs=0.06)


def test_teaching_runs_from_before_to_after(record, tmp_path):
    source = report.write(record, tmp_path).read_text("utf-8")
    moves = re.findall(r'class="move" x1="([\d.]+)%" x2="([\d.]+)%"', source)
    expected = [(28100 / 287, 28000 / 287), (0, 6600 / 72)]
    assert [tuple(map(float, m)) for m in moves] == [pytest.approx(e, abs=0.0051) for e in expected]
