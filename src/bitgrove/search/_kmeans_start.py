"""Where k-means begins: rows drawn at random, evenly or far apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ._stream import Rows

Distances = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""Squared distance of every row of the data to its nearest of these centres."""

ROUNDS = 8


def drawn_evenly(rows: Rows, count: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """The numbers of ``count`` different rows, all equally likely, sorted."""
    return np.sort(random.choice(len(rows), count, replace=False, shuffle=False))


def drawn_far_apart(
    rows: Rows, count: int, random: np.random.Generator, distances_to: Distances
) -> npt.NDArray[np.int64]:
    """The numbers of ``count`` different rows, drawn by their distance to those drawn before.

    The first is any row; each other is drawn with a chance proportional to its squared distance to
    the nearest of those of earlier rounds. Up to nine that is k-means++; beyond, eight rounds draw
    an eighth each, so that there are eight passes over the data whatever ``count`` is.

    Source: Arthur and Vassilvitskii, "k-means++: The Advantages of Careful Seeding", SODA 2007;
    rounds as in Bahmani et al., "Scalable K-Means++", VLDB 2012, without its oversampling.

    Args:
        rows: the data, at least ``count`` rows.
        count: rows to draw, at least 1.
        random: the source of chance.
        distances_to: called once a round, with the rows that it drew.
    """
    fresh = drawn = np.array([random.integers(len(rows))])
    nearest = np.full(len(rows), np.inf, np.float32)
    for share in np.array_split(np.arange(count - 1), min(ROUNDS, count - 1) or 1):
        if not len(share):
            break
        np.minimum(nearest, distances_to(rows.take(np.sort(fresh))), out=nearest)
        fresh = _by_weight(nearest, drawn, len(share), random)
        drawn = np.append(drawn, fresh)
    return np.sort(drawn)


def _by_weight(
    weights: npt.NDArray[np.float32],
    without: npt.NDArray[np.int64],
    count: int,
    random: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Different places by weight; where too few have one, others than ``without`` make up."""
    chances = weights.astype(np.float64)
    chances[without] = 0
    if (lacking := count - np.count_nonzero(chances)) >= 0:
        sure = np.flatnonzero(chances)
        others = np.setdiff1d(np.arange(len(chances)), np.append(sure, without))
        return np.append(sure, random.choice(others, lacking, replace=False))
    chances /= chances.sum()
    return random.choice(len(chances), count, replace=False, p=chances)
