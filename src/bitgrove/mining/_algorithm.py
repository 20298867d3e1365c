"""Algorithm 1 of smart mining: from sorted lists of neighbours to triplets."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from ..interfaces import Neighbours
from ._triplets import ClassRows, Rows, Triplets


def triplets_of_lists(
    lists: Neighbours,
    anchors: Rows,
    classes: ClassRows,
    wanted: npt.NDArray[np.int64],
    kappa: float,
    rng: np.random.Generator,
) -> Triplets:
    """Triplets whose positive is farther from the anchor than their negative.

    The list of an anchor is walked from its near end. Everything before its first positive is
    passed over, and everything nearer than ``kappa`` times the squared distance of that positive.
    Of the rest, each negative in turn goes with the first positive behind it in the list; if there
    is none, with a random positive that is not in the list, so farther than all in it; if there is
    none either, the anchor is done. What is missing from the wanted number are random triplets.

    Source: Harwood et al., "Smart Mining for Deep Metric Learning", ICCV 2017, alg. 1. There a
    positive keeps a copy of the negatives met before it and is a match for those; the first such
    positive is the first behind the negative, which is what is looked up here.

    Args:
        lists: squared distances and image numbers, shape ``(a, k)``, nearest first; the anchor
            itself and numbers of -1 do not count.
        anchors: ``int64[a]``, whose lists these are.
        classes: of all images.
        wanted: ``int64[a, 2]``, how many triplets of each anchor are to be mined if possible, and
            how many more are drawn at random.
        kappa: 1 or more; a smaller one acts like 1, as the list begins at the first positive.
        rng: draws the random images.

    Returns:
        For each anchor, in their order, the mined triplets, from the nearest negative on, and then
        the random ones.
    """
    distances, ids = lists
    label = classes.labels[ids]
    valid = (ids >= 0) & (ids != anchors[:, None])
    positive = valid & (label == classes.labels[anchors][:, None])
    negative = valid & ~positive
    usable = _usable(distances, positive, kappa)
    behind = _next(positive)  # so usable where the negative is
    chosen = negative & usable & _first(negative & usable, wanted[:, 0])

    row, place = np.nonzero(chosen)  # by anchor, then from the nearest on
    match = behind[row, place]
    found = ids[row, np.minimum(match, ids.shape[1] - 1)]
    missing = match == ids.shape[1]
    outside = _draw_outside(anchors, ids, classes, row[missing], rng)
    found[missing] = outside
    kept = found >= 0
    row, place, found = row[kept], place[kept], found[kept]

    fill = wanted.sum(axis=1) - np.bincount(row, minlength=len(anchors))
    random = np.repeat(anchors, fill)
    parts = Triplets(
        np.concatenate([anchors[row], random]),
        np.concatenate([found, classes.draw_positives(random, rng)]),
        np.concatenate([ids[row, place], classes.draw_negatives(random, rng)]),
        np.arange(len(row) + len(random)) < len(row),
    )
    owners = np.concatenate([row, np.repeat(np.arange(len(anchors)), fill)])
    return parts.select(np.argsort(owners, kind="stable"))


def _usable(
    distances: npt.NDArray[np.float32], positive: npt.NDArray[np.bool_], kappa: float
) -> npt.NDArray[np.bool_]:
    """What lies at or behind the first positive and not below the bound."""
    width = distances.shape[1]
    first = np.where(positive.any(axis=1), positive.argmax(axis=1), width)
    nearest = np.take_along_axis(distances, np.minimum(first, width - 1)[:, None], axis=1)
    bound = kappa * nearest.astype(np.float64)
    return (np.arange(width) >= first[:, None]) & (distances >= bound)


def _next(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For every place of a row the first marked place at or behind it, else the width."""
    width = mask.shape[1]
    places = np.where(mask, np.arange(width), width)
    return np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1]


def _first(mask: npt.NDArray[np.bool_], count: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """The places up to the one that is marked for the ``count``-th time in its row."""
    return mask.cumsum(axis=1) <= count[:, None]


def _draw_outside(
    anchors: Rows, ids: Rows, classes: ClassRows, rows: Rows, rng: np.random.Generator
) -> Rows:
    """For each row number a random positive of that anchor that is not in its list, or -1."""
    found = np.full(len(rows), -1, np.int64)
    begins = np.flatnonzero(np.diff(rows, prepend=-1))
    for begin, end in itertools.pairwise([*begins, len(rows)]):
        row = rows[begin]
        members = classes.members(int(anchors[row]))
        others = members[~np.isin(members, ids[row]) & (members != anchors[row])]
        if len(others):
            found[begin:end] = rng.choice(others, end - begin)
    return found
