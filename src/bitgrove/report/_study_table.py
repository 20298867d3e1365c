"""The table of a study: one row per method, with every seed as a dot."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ._study import Study, StudyArm
from ._study_scales import share_ticks
from ._text import NOTHING, listed, percent, plural, points, significant


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A method, ready to draw; positions are percent of the chart's width."""

    name: str
    paper: str
    series: int
    """Number of the method's colour, the same in all charts."""
    value: str
    seeds: str
    validation: str
    time: str
    dots: tuple[float, ...]
    mean: float | None
    published_at: float | None
    published: str
    published_note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableView:
    """The section on results."""

    rows: tuple[Row, ...]
    """Highest mean first."""
    scale: str
    """What the dots' axis runs over."""
    spread: str
    """What stands after the plus-minus sign; empty if nothing does."""
    published: bool
    """Whether a published figure is among them."""


def table(study: Study) -> TableView:
    """Lay the section out."""
    values = [run.test_accuracy for arm in study.arms for run in arm.runs]
    values += [arm.published for arm in study.arms if arm.published is not None]
    known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    ticks = share_ticks(known, 4)
    low, high = max(0.0, ticks[0]), min(1.0, ticks[-1])
    rows = [_row(arm, number, low, high) for number, arm in enumerate(study.arms)]
    order = sorted(range(len(rows)), key=lambda i: -_sort_key(study.arms[i]))
    several = any(len(arm.runs) > 1 for arm in study.arms)
    return TableView(
        rows=tuple(rows[i] for i in order),
        scale=f"{percent(low)} to {percent(high)}",
        spread="the standard deviation over the seeds, of a sample" if several else "",
        published=any(arm.published is not None for arm in study.arms),
    )


def counts(study: Study) -> str:
    """Methods, seeds and epochs in a line."""
    seeds = sorted({len(arm.runs) for arm in study.arms})
    parts = [plural(len(study.arms), "method")]
    if seeds:
        each = plural(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
        parts.append(f"{each} each" if len(study.arms) > 1 else each)
    lengths = sorted({len(run.curve) for arm in study.arms for run in arm.runs if run.curve})
    if lengths:
        epochs = plural(lengths[-1], "epoch")
        parts.append(epochs if len(lengths) == 1 else f"{lengths[0]} to {epochs}")
    seconds = sum(run.seconds for arm in study.arms for run in arm.runs)
    return f"{', '.join(parts)}; {duration(seconds)} of training in all"


def duration(seconds: float) -> str:
    r"""A wall time as a reader says it.

    >>> duration(41.3), duration(95 * 60), duration(30 * 3600.0)
    ('41.3\xa0s', '95.0\xa0min', '30.0\xa0h')
    """
    if not math.isfinite(seconds):
        return NOTHING
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (math.inf, "h", 3600)):
        if seconds < limit:
            return f"{significant(seconds / size)}\N{NO-BREAK SPACE}{unit}"
    raise AssertionError


def mean_and_spread(values: Sequence[float]) -> str:
    r"""Accuracies of some seeds, in percent.

    >>> mean_and_spread([0.80, 0.82]), mean_and_spread([0.8]), mean_and_spread([])
    ('81.0\xa0±\xa01.4\xa0%', '80.0\xa0%', '–')
    """
    known = [value for value in values if math.isfinite(value)]
    if len(known) < 2:
        return percent(known[0]) if known else NOTHING
    mean, spread = 100 * statistics.fmean(known), 100 * statistics.stdev(known)
    return f"{mean:.1f} ± {spread:.1f} %".replace(" ", "\N{NO-BREAK SPACE}")


def _row(arm: StudyArm, number: int, low: float, high: float) -> Row:
    values = [run.test_accuracy for run in arm.runs if math.isfinite(run.test_accuracy)]

    def at(value: float) -> float:
        return 100 * (value - low) / (high - low)

    published, note = "", ""
    if arm.published is not None:
        published = percent(arm.published)
        gap = f"here {points(statistics.fmean(values) - arm.published)}" if values else ""
        note = "; ".join(part for part in (gap, arm.published_under) if part)
    seconds = [run.seconds for run in arm.runs]
    return Row(
        name=arm.name,
        paper=arm.paper,
        series=number,
        value=mean_and_spread(values),
        seeds=listed([str(run.seed) for run in arm.runs], 12),
        validation=mean_and_spread([run.best_validation_accuracy for run in arm.runs]),
        time=duration(statistics.fmean(seconds)) if seconds else NOTHING,
        dots=tuple(at(value) for value in values),
        mean=at(statistics.fmean(values)) if values else None,
        published_at=None if arm.published is None else at(arm.published),
        published=published,
        published_note=note,
    )


def _sort_key(arm: StudyArm) -> float:
    values = [run.test_accuracy for run in arm.runs if math.isfinite(run.test_accuracy)]
    return statistics.fmean(values) if values else -math.inf
