"""The training curve: loss and accuracy over the epochs, on training and validation images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ._record import Record
from ._text import count, percent, plural, significant
from ._ticks import nice_ticks, whole_ticks

WIDTH, HEIGHT = 440, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 90, 34, 42
"""Margins: ticks to the left, names of the lines to the right."""

_LINE_HEIGHT = 17

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One measured quantity; broken where a value is missing."""

    name: str
    pieces: tuple[str, ...]
    """Points of each unbroken piece, as a polyline takes them."""
    dots: tuple[Point, ...]
    """Points without a neighbour, which no line would show."""
    label: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One of the two drawings."""

    key: str
    title: str
    description: str
    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    chosen: Point | None
    """The chosen epoch's validation value."""
    chosen_anchor: str
    chosen_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveView:
    """The section on training."""

    sentence: str
    panels: tuple[Panel, ...]
    width: int = WIDTH
    height: int = HEIGHT
    box: tuple[int, int, int, int] = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)
    """Left, top, right and bottom of the drawing's inside."""


def curve_view(record: Record) -> CurveView | None:
    """Lay the section out; None where nothing was recorded."""
    panels = [p for key in ("loss", "accuracy") if (p := _panel(record, key))]
    return CurveView(sentence=_sentence(record), panels=tuple(panels)) if panels else None


def _sentence(record: Record) -> str:
    epochs = plural(len(record.curve), "epoch")
    chosen = next((row for row in record.curve if row["epoch"] == record.best_epoch), None)
    if chosen is None:
        return f"Trained for {epochs}."
    known = {
        "accuracy": percent(chosen.get("validation_accuracy", math.nan)),
        "loss": significant(chosen.get("validation_loss", math.nan)),
    }
    figures = [f"{what} {text}" for what, text in known.items() if any(map(str.isdigit, text))]
    where = f", with {' and '.join(figures)} on the validation images" if figures else ""
    return f"Trained for {epochs}; validation chose epoch {count(record.best_epoch)}{where}."


def _panel(record: Record, key: str) -> Panel | None:
    epochs = [round(row["epoch"]) for row in record.curve]
    series = {
        part: [row.get(f"{part}_{key}", math.nan) for row in record.curve]
        for part in ("train", "validation")
    }
    series = {part: values for part, values in series.items() if any(map(math.isfinite, values))}
    if not series:
        return None
    show = percent if key == "accuracy" else significant
    y_values = _y_ticks(key, [v for values in series.values() for v in values if math.isfinite(v)])
    placed = {part: _place(epochs, values, y_values) for part, values in series.items()}
    label_heights = _spread([_last(points)[1] for points in placed.values()])
    chosen = _point_at(record.best_epoch, epochs, placed.get("validation", []))
    return Panel(
        key=key,
        title=key.capitalize(),
        description="; ".join(_summary(part, values, show) for part, values in series.items()),
        lines=tuple(
            Line(
                name=part,
                pieces=_pieces(points),
                dots=_lonely(points),
                label=(_last(points)[0] + 8, height + 4.5),
            )
            for (part, points), height in zip(placed.items(), label_heights, strict=True)
        ),
        x_ticks=tuple((_x(e, epochs), count(e)) for e in whole_ticks(min(epochs), max(epochs), 6)),
        y_ticks=tuple((_y(v, y_values), _tick_text(key, v, y_values)) for v in y_values),
        chosen=chosen,
        chosen_anchor=_anchor(chosen),
        chosen_text=f"chosen: epoch {count(record.best_epoch)}",
    )


def _y_ticks(key: str, values: Sequence[float]) -> list[float]:
    """Loss from zero, for its height means something; accuracy from where it starts up to 100 %."""
    low, high = (min(0.0, *values), max(values)) if key == "loss" else (min(*values, 0.9), 1.0)
    return nice_ticks(low, max(high, low + 1e-9), 5)


def _tick_text(key: str, value: float, ticks: Sequence[float]) -> str:
    if key == "accuracy":
        return f"{100 * value:.0f} %"
    return f"{value:.{max(0, math.ceil(-math.log10(ticks[1] - ticks[0]) - 1e-9))}f}"


def _x(epoch: int, epochs: Sequence[int]) -> float:
    first, last = min(epochs), max(epochs)
    share = (epoch - first) / (last - first) if last > first else 0.5
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(value: float, ticks: Sequence[float]) -> float:
    share = (value - ticks[0]) / (ticks[-1] - ticks[0])
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _place(
    epochs: Sequence[int], values: Sequence[float], ticks: Sequence[float]
) -> list[Point | None]:
    return [
        (_x(epoch, epochs), _y(value, ticks)) if math.isfinite(value) else None
        for epoch, value in zip(epochs, values, strict=True)
    ]


def _runs(points: Sequence[Point | None]) -> list[list[Point]]:
    """The unbroken pieces of a line."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if run]


def _pieces(points: Sequence[Point | None]) -> tuple[str, ...]:
    return tuple(
        " ".join(f"{x:.1f},{y:.1f}" for x, y in run) for run in _runs(points) if len(run) > 1
    )


def _lonely(points: Sequence[Point | None]) -> tuple[Point, ...]:
    return tuple(run[0] for run in _runs(points) if len(run) == 1)


def _last(points: Sequence[Point | None]) -> Point:
    return _runs(points)[-1][-1]


def _point_at(epoch: int, epochs: Sequence[int], points: Sequence[Point | None]) -> Point | None:
    return next((p for e, p in zip(epochs, points, strict=False) if e == epoch and p), None)


def _spread(heights: list[float]) -> list[float]:
    """Move two labels apart until they can be read."""
    if len(heights) == 2 and abs(heights[0] - heights[1]) < _LINE_HEIGHT:
        middle = sum(heights) / 2
        lowest = HEIGHT - BOTTOM - _LINE_HEIGHT / 2
        middle = min(max(middle, TOP + _LINE_HEIGHT / 2), lowest)
        up = 1 if heights[0] >= heights[1] else -1
        return [middle + up * _LINE_HEIGHT / 2, middle - up * _LINE_HEIGHT / 2]
    return heights


def _anchor(point: Point | None) -> str:
    """Keep the words above the chosen epoch inside the drawing."""
    if point is None or LEFT + 60 < point[0] < WIDTH - RIGHT - 20:
        return "middle"
    return "start" if point[0] <= LEFT + 60 else "end"


def _summary(part: str, values: Sequence[float], show) -> str:
    known = [v for v in values if math.isfinite(v)]
    return f"{part} from {show(known[0])} to {show(known[-1])}"
