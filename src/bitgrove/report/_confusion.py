"""Which classes are taken for which: a table of counts, or a heat map for many classes."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._record import Record
from ._text import NOTHING, count, percent, plural, shorten_all

MOST_NUMBERED = 20
"""Classes up to which every count is written."""

STEPS = (0.01, 0.03, 0.10, 0.25, 0.50, 0.80)
"""Shares of a true class at which the shade deepens. Uneven, so that rare errors stay visible."""

_SIDE = 560
"""Units of the heat map's side in its drawing."""

_LABEL = 11
"""Units that a label needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One count of the table."""

    text: str
    """Empty for zero."""
    style: str
    """Classes of the style sheet: ``right`` or ``wrong``, and the shade."""
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """The answers that images of one class got."""

    name: tuple[str, str]
    """Whole, and short."""
    cells: tuple[Cell, ...]
    right: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """The whole matrix as a few shapes, one for each shade."""

    side: int
    margin: int
    shades: tuple[tuple[str, str], ...]
    """Classes of the style sheet and the path of their cells, in cells."""
    cell: float
    labels: tuple[tuple[float, str], ...]
    """Middle of the class along either axis, and its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Images of one class that were taken for another."""

    truth: tuple[str, str]
    """Whole, and short."""
    answer: tuple[str, str]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionView:
    """The section on confusion: ``rows`` up to twenty classes, ``heat`` beyond."""

    names: tuple[tuple[str, str], ...]
    """Whole, and short enough for a column."""
    turned: bool
    """Whether the names of the columns stand upright."""
    wide: bool
    """Whether the matrix needs the whole width of the page."""
    rows: tuple[TableRow, ...]
    heat: HeatMap | None
    sentence: str
    mistakes: tuple[Mistake, ...]
    mistakes_left: str
    legend: tuple[str, ...]
    """What each shade means, palest first."""


def confusion_view(record: Record) -> ConfusionView | None:
    """Lay the section out; None where no image was counted."""
    names, counts = record.confusion_classes, np.asarray(record.confusion)
    if counts.shape != (len(names), len(names)):
        raise ValueError(
            f"confusion must have a row and a column for each of the {len(names)} "
            f"confusion_classes, got shape {counts.shape}"
        )
    if not counts.any():
        return None
    wrong = int(counts.sum() - np.trace(counts))
    short = shorten_all(names, 18)
    few = len(names) <= MOST_NUMBERED
    mistakes = _mistakes(names, counts)
    return ConfusionView(
        names=tuple(zip(names, short, strict=True)),
        turned=max(map(len, short)) > 3,
        wide=len(names) > 10 or max(map(len, short)) > 10,
        rows=_rows(names, short, counts) if few else (),
        heat=None if few else _heat_map(names, counts),
        sentence=f"{count(wrong)} of {plural(int(counts.sum()), 'image')} got a wrong answer.",
        mistakes=mistakes,
        mistakes_left=_left(
            int(np.count_nonzero(counts[~np.eye(len(names), dtype=bool)])), mistakes
        ),
        legend=_legend(),
    )


def shade(value: int, total: int) -> int:
    """The shade of a share of ``total``: 0, the palest, to 6.

    >>> [shade(n, 1000) for n in (1, 10, 11, 800, 801, 1000)]
    [0, 0, 1, 5, 6, 6]
    """
    return bisect_left(STEPS, value / total)


def _rows(
    names: tuple[str, ...], short: list[str], counts: npt.NDArray[np.int64]
) -> tuple[TableRow, ...]:
    rows = []
    for truth, row in enumerate(counts.tolist()):
        total = sum(row)
        cells = tuple(
            Cell(
                text=count(value) if value else "",
                style=_style(truth == answer, shade(value, total)) if value else "",
                title=f"{names[truth]} answered {names[answer]}: {count(value)}",
            )
            for answer, value in enumerate(row)
        )
        right = percent(row[truth] / total) if total else NOTHING
        rows.append(TableRow(name=(names[truth], short[truth]), cells=cells, right=right))
    return tuple(rows)


def _heat_map(names: tuple[str, ...], counts: npt.NDArray[np.int64]) -> HeatMap:
    totals = counts.sum(axis=1).tolist()
    paths: dict[str, list[str]] = {}
    for truth, answer in np.argwhere(counts).tolist():
        style = _style(truth == answer, shade(int(counts[truth, answer]), totals[truth]))
        paths.setdefault(style, []).append(f"M{answer} {truth}h1v1h-1z")
    cell = _SIDE / len(names)
    every = max(1, int(np.ceil(_LABEL / cell)))
    short = shorten_all(names, 16)
    labels = tuple(((i + 0.5) * cell, short[i]) for i in range(0, len(names), every))
    return HeatMap(
        side=_SIDE,
        margin=24 + round(5.6 * max(len(name) for _, name in labels)),
        shades=tuple((style, "".join(path)) for style, path in sorted(paths.items())),
        cell=cell,
        labels=labels,
    )


def _style(right: bool, level: int) -> str:
    return f"{'right' if right else 'wrong'} h{level}"


def _mistakes(
    names: tuple[str, ...], counts: npt.NDArray[np.int64], most: int = 10
) -> tuple[Mistake, ...]:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [divmod(int(i), len(names)) for i in order]
    pair = list(zip(names, shorten_all(names, 28), strict=True))
    return tuple(
        Mistake(
            truth=pair[truth],
            answer=pair[answer],
            text=f"{count(int(wrong[truth, answer]))} of {count(int(counts[truth].sum()))}",
        )
        for truth, answer in pairs
        if wrong[truth, answer]
    )


def _left(kinds: int, mistakes: tuple[Mistake, ...]) -> str:
    left = kinds - len(mistakes)
    return f"{plural(left, 'pair')} more, each at most as frequent." if left else ""


def _legend() -> tuple[str, ...]:
    ends = [f"{100 * step:.0f}" for step in STEPS]
    return (*(f"\N{LESS-THAN OR EQUAL TO} {end} %" for end in ends), f"> {ends[-1]} %")
