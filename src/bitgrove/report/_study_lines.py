"""Lines over the epochs: one colour per method, a thin line per seed, a band between them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ._study import Study, StudyArm
from ._study_names import own_parts
from ._study_scales import Scale, log_scale, share_scale
from ._text import count, listed, percent, shorten_all, significant
from ._ticks import whole_ticks

Point = tuple[float, float]
Series = dict[int, float]
"""Epoch to value."""

STYLES = 10
"""Colours with their dashes, in the style sheet; later methods begin again."""

_LABEL_GAP = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Size of a drawing and of its margins."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int

    @property
    def letters(self) -> int:
        """What a label has room for."""
        return int((self.right - _LABEL_AT) / _LETTER)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the inside."""
        return self.left, self.top, self.width - self.right, self.height - self.bottom


WIDE = Frame(width=900, height=400, left=64, right=330, top=14, bottom=42)
"""Its right margin is the widest: a chart of shorter names takes less."""
SMALL = Frame(width=430, height=250, left=52, right=156, top=34, bottom=42)

_LABEL_AT = 16
"""From the end of the axis to the labels."""
_LETTER = 9.6
"""Mean width of a letter of a label, in wide fonts."""


@dataclass(frozen=True, slots=True)
class Group:
    """A method with its seeds, or a layer."""

    style: str
    name: str
    label: str
    """The name as the chart has room for it; empty if it is not written."""
    seeds: Sequence[Series]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyLine:
    """One series with its seeds."""

    name: str
    title: str
    """The whole name."""
    style: str
    """Classes of the style sheet."""
    pieces: tuple[str, ...]
    """Of the mean over the seeds, as a polyline takes them."""
    dots: tuple[Point, ...]
    """Points without a neighbour, which no line would show."""
    seeds: tuple[str, ...]
    """Each seed's own line, where there are several."""
    bands: tuple[str, ...]
    """Between the lowest and the highest seed, as a polygon takes them."""
    label: Point
    leader: Point
    """Where the line ends, to lead the eye to the label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawing of lines."""

    key: str
    title: str
    description: str
    frame: Frame
    lines: tuple[StudyLine, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


def accuracy_chart(study: Study) -> Chart | None:
    """Validation accuracy of every method; None where none was recorded."""
    groups = {
        number: [
            {
                round(row["epoch"]): row["validation_accuracy"]
                for row in run.curve
                if math.isfinite(row.get("validation_accuracy", math.nan))
            }
            for run in arm.runs
        ]
        for number, arm in enumerate(study.arms)
    }
    return _by_method(study, groups, "accuracy", "Validation accuracy", log=False)


def flips_chart(study: Study) -> Chart | None:
    """Flip ratio of every method, averaged over its layers; None where none was recorded."""
    groups = {
        number: [
            {
                epoch: statistics.fmean(layers.values())
                for epoch, layers in run.flips.items()
                if layers
            }
            for run in arm.runs
        ]
        for number, arm in enumerate(study.arms)
    }
    return _by_method(study, groups, "flips", "Weights that one update turns round", log=True)


def layer_charts(study: Study) -> tuple[Chart, ...]:
    """Flip ratio of every layer, a chart per method; the axes are the same in all."""
    arms = [(number, arm, _by_layer(arm)) for number, arm in enumerate(study.arms)]
    arms = [(number, arm, layers) for number, arm, layers in arms if layers]
    series = [series for _, _, layers in arms for series in layers.values()]
    values = [value for one in series for value in one.values() if value > 0]
    epochs = [epoch for one in series for epoch in one]
    if not values:
        return ()
    _, top, _, bottom = SMALL.box
    scale = log_scale(values, top, bottom)
    return tuple(
        _chart(
            f"layers-{number}",
            arm.name,
            SMALL,
            _by_depth(layers),
            scale,
            (min(epochs), max(epochs)),
            _flip_text,
        )
        for number, arm, layers in arms
    )


def series_style(number: int) -> str:
    """The classes of a method's colour and dashes."""
    return f"s{number % STYLES}"


def _by_depth(layers: Mapping[str, Series]) -> list[Group]:
    """The first layer and the last have labels."""
    short = own_parts(list(layers))
    ends = shorten_all([short[0], short[-1]], SMALL.letters)
    labels = [ends[0], *[""] * (len(layers) - 2), ends[1]][: len(layers)]
    return [
        Group(_layer_style(i, len(layers)), name, label, [series])
        for i, (label, (name, series)) in enumerate(zip(labels, layers.items(), strict=True))
    ]


def _layer_style(place: int, layers: int) -> str:
    """From light at the first layer to dark at the last, in five steps."""
    return f"layer l{round(4 * place / max(layers - 1, 1))}"


def _by_layer(arm: StudyArm) -> dict[str, Series]:
    """The mean over the seeds."""
    layers: dict[str, dict[int, list[float]]] = {}
    for run in arm.runs:
        for epoch, ratios in run.flips.items():
            for name, ratio in ratios.items():
                layers.setdefault(name, {}).setdefault(epoch, []).append(ratio)
    return {
        name: {epoch: statistics.fmean(seeds) for epoch, seeds in found.items()}
        for name, found in layers.items()
    }


def _by_method(
    study: Study, groups: Mapping[int, list[Series]], key: str, title: str, *, log: bool
) -> Chart | None:
    values = [v for seeds in groups.values() for s in seeds for v in s.values() if v > 0 or not log]
    epochs = [epoch for seeds in groups.values() for s in seeds for epoch in s]
    if not values:
        return None
    shown = [(number, seeds) for number, seeds in groups.items() if any(seeds)]
    names = [study.arms[number].name for number, _ in shown]
    labels = shorten_all(names, WIDE.letters)
    frame = replace(WIDE, right=_LABEL_AT + math.ceil(_LETTER * max(map(len, labels))))
    drawn = [
        Group(series_style(number), name, label, seeds)
        for (number, seeds), name, label in zip(shown, names, labels, strict=True)
    ]
    _, top, _, bottom = WIDE.box
    scale = (log_scale if log else share_scale)(values, top, bottom)
    show = _flip_text if log else percent
    return _chart(key, title, frame, drawn, scale, (min(epochs), max(epochs)), show)


def _chart(
    key: str,
    title: str,
    frame: Frame,
    groups: Sequence[Group],
    scale: Scale,
    epochs: tuple[int, int],
    show: Callable[[float], str],
) -> Chart:
    height, y_ticks = scale
    left, top, right, bottom = frame.box
    first, last = epochs

    def across(epoch: int) -> float:
        return left + (right - left) * ((epoch - first) / (last - first) if last > first else 0.5)

    def place(series: Series) -> list[Point | None]:
        heights = [(epoch, height(series[epoch])) for epoch in sorted(series)]
        return [None if at is None else (across(epoch), at) for epoch, at in heights]

    drawn, summaries = [], []
    for group in groups:
        seeds = [series for series in group.seeds if series]
        mean = {e: _mean_at(e, seeds) for e in sorted({e for series in seeds for e in series})}
        runs = _runs(place(mean))
        if runs:
            drawn.append((group, seeds, runs))
            summaries.append(f"{group.name} ends at {show(mean[max(mean)])}")
    ends = [runs[-1][-1][1] for group, _, runs in drawn if group.label]
    heights = iter(spread(ends, top, bottom))
    lines = tuple(
        StudyLine(
            name=group.label,
            title=group.name,
            style=group.style,
            pieces=tuple(_points(run) for run in runs if len(run) > 1),
            dots=tuple(run[0] for run in runs if len(run) == 1),
            seeds=tuple(_points(r) for s in seeds for r in _runs(place(s)) if len(r) > 1)
            if len(seeds) > 1
            else (),
            bands=_bands(seeds, across, height),
            label=(
                right + _LABEL_AT,
                (next(heights) if group.label else runs[-1][-1][1]) + 4.5,
            ),
            leader=runs[-1][-1],
        )
        for group, seeds, runs in drawn
    )
    return Chart(
        key=key,
        title=title,
        description=listed(summaries, 30),
        frame=frame,
        lines=lines,
        x_ticks=tuple((across(e), count(e)) for e in whole_ticks(first, last, 6)),
        y_ticks=y_ticks,
    )


def _mean_at(epoch: int, seeds: Sequence[Series]) -> float:
    return statistics.fmean(series[epoch] for series in seeds if epoch in series)


def _bands(
    seeds: Sequence[Series],
    across: Callable[[int], float],
    height: Callable[[float], float | None],
) -> tuple[str, ...]:
    """Polygons over the epochs that at least two seeds have."""
    epochs = sorted({e for s in seeds for e in s if sum(e in other for other in seeds) > 1})
    found: list[list[tuple[float, float, float]]] = [[]]
    for epoch in epochs:
        values = [s[epoch] for s in seeds if epoch in s]
        low, high = height(min(values)), height(max(values))
        if low is None or high is None:
            found.append([])
        else:
            found[-1].append((across(epoch), low, high))
    return tuple(
        _points([(x, high) for x, _, high in band] + [(x, low) for x, low, _ in reversed(band)])
        for band in found
        if len(band) > 1
    )


def spread(heights: Sequence[float], top: float, bottom: float) -> list[float]:
    """Move labels apart until they can be read, none further than needed to stay inside.

    >>> spread([50.0, 52.0, 90.0], 0, 100)
    [43.0, 59.0, 90.0]
    """
    gap = min(_LABEL_GAP, (bottom - top) / max(len(heights) - 1, 1))
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    # Blocks of labels that touch: the sum of their heights, their number; each lies at its mean.
    blocks: list[tuple[float, int]] = []
    for i in order:
        total, size = heights[i], 1
        while blocks and _end(blocks[-1], top, bottom, gap) + gap > _start(
            (total, size), top, bottom, gap
        ):
            before, members = blocks.pop()
            total += before
            size += members
        blocks.append((total, size))
    placed = [0.0] * len(heights)
    at = iter(order)
    for block in blocks:
        first = _start(block, top, bottom, gap)
        for member in range(block[1]):
            placed[next(at)] = first + member * gap
    return placed


def _start(block: tuple[float, int], top: float, bottom: float, gap: float) -> float:
    total, size = block
    wished = total / size - (size - 1) * gap / 2
    return min(max(wished, top), bottom - (size - 1) * gap)


def _end(block: tuple[float, int], top: float, bottom: float, gap: float) -> float:
    return _start(block, top, bottom, gap) + (block[1] - 1) * gap


def _runs(points: Sequence[Point | None]) -> list[list[Point]]:
    """The unbroken pieces of a line."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if run]


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _flip_text(ratio: float) -> str:
    return significant(ratio) if ratio >= 1e-3 or ratio <= 0 else f"{ratio:.1e}"
