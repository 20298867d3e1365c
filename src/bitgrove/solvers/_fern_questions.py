"""Drawing the questions of random ferns from the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.utils.random import sample_without_replacement

FernTests = Literal["thresholds", "quantiles", "pairs"]
"""What the questions compare an element of a row with."""


@dataclass(frozen=True, slots=True)
class Questions:
    """Of all ferns, arrays of shape ``(ferns, depth)``; one of threshold and other is None."""

    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32] | None
    other: npt.NDArray[np.int32] | None


def draw_questions(
    rows: npt.NDArray,
    weights: npt.NDArray[np.float64] | None,
    ferns: int,
    depth: int,
    tests: FernTests,
    random: np.random.RandomState,
) -> Questions:
    """Questions about features that vary, each at most once in a fern where there are enough.

    Args:
        rows: ``(n, features)``, at least one row.
        weights: of the rows, all above 0, or None: a row of weight two is drawn as two rows are.
        ferns: how many.
        depth: questions of each.
        tests: ``"thresholds"``: the mean of two random values of the feature, as rFerns does;
            ``"quantiles"``: the middle between a random value and the next larger one;
            ``"pairs"``: another feature, as in Ozuysal et al.
        random: what is drawn from.

    Raises:
        ValueError: pairs, of one feature.
    """
    if tests == "pairs" and rows.shape[1] < 2:
        raise ValueError("tests='pairs' compares two features, but a row has one")
    varying = np.flatnonzero(rows.min(0) != rows.max(0))
    if len(varying) < (2 if tests == "pairs" else 1):
        varying = np.arange(rows.shape[1])
    asked = 2 * depth if tests == "pairs" else depth
    feature = varying[_draw(len(varying), ferns, asked, tests, random)].astype(np.int32)
    if tests == "pairs":
        return Questions(
            np.ascontiguousarray(feature[:, :depth]), None, np.ascontiguousarray(feature[:, depth:])
        )
    levels = random.random_sample((2, ferns, depth))
    return Questions(feature, _thresholds(rows, weights, feature, levels, tests), None)


def _draw(
    count: int, ferns: int, asked: int, tests: FernTests, random: np.random.RandomState
) -> npt.NDArray[np.int64]:
    """``asked`` numbers below ``count`` for each fern."""
    if count >= asked:
        return np.stack(
            [sample_without_replacement(count, asked, random_state=random) for _ in range(ferns)]
        ).astype(np.int64)
    drawn = random.randint(0, count, (ferns, asked))
    if tests == "pairs":  # with too few features for a fern, a pair is still of two
        first, second = np.split(drawn, 2, axis=1)
        step = random.randint(1, count, second.shape)
        drawn = np.concatenate([first, (first + step) % count], axis=1)
    return drawn


def _thresholds(
    rows: npt.NDArray,
    weights: npt.NDArray[np.float64] | None,
    feature: npt.NDArray[np.int32],
    levels: npt.NDArray[np.float64],
    tests: FernTests,
) -> npt.NDArray[np.float32]:
    out = np.empty(feature.shape, np.float32)
    order = np.argsort(feature, axis=None, kind="stable")
    used, starts = np.unique(feature.ravel()[order], return_index=True)
    columns = np.ascontiguousarray(rows[:, used].T)
    for column, places in zip(columns, np.split(order, starts[1:]), strict=True):
        ordered, ends = _sorted(column, weights)
        first, second = (_at(ordered, ends, level.ravel()[places]) for level in levels)
        if tests == "quantiles":
            after = np.searchsorted(ordered, first, side="right")
            second = ordered[np.minimum(after, len(ordered) - 1)]
        out.ravel()[places] = (first.astype(np.float64) + second) / 2
    return out


def _sorted(
    column: npt.NDArray, weights: npt.NDArray[np.float64] | None
) -> tuple[npt.NDArray, npt.NDArray[np.float64] | None]:
    """The values in order and, if there are weights, the weight up to each."""
    if weights is None:
        return np.sort(column, kind="stable"), None  # of bytes: by counting
    order = np.argsort(column, kind="stable")
    return column[order], np.cumsum(weights[order])


def _at(
    ordered: npt.NDArray, ends: npt.NDArray[np.float64] | None, levels: npt.NDArray[np.float64]
) -> npt.NDArray:
    """For each level in [0, 1) the value below which there is so much of the weight."""
    if ends is None:
        return ordered[(levels * len(ordered)).astype(np.int64)]
    place = np.searchsorted(ends, levels * ends[-1], side="right")
    return ordered[np.minimum(place, len(ordered) - 1)]
