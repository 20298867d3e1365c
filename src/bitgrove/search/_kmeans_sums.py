"""What k-means keeps of the rows that stream past, and the centres that follow from it."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt

from .. import _core
from ._stream import Rows

_PART = 1 << 14
"""Centres divided at a time: a copy of all sums in float64 would be large."""

_STEP = np.float32(1 / 16)
"""Of the way from a mean to the farthest row. The new centre is so near that the plane between the
two cuts a round cluster into parts of about two thirds and one third, in tens to hundreds of
dimensions, and so far that the two are told apart."""


@final
class Sums:
    """For each cluster the sum of its rows, their number, and the sum of their distances.

    Sums are of float64 and rows are added in their order: those of bytes are exact, and none
    depends on the threads or on the blocks in which the rows come.
    """

    def __init__(self, clusters: int, dim: int) -> None:
        self.rows = np.zeros((clusters, dim), np.float64)
        self.counts = np.zeros(clusters, np.int64)
        self.errors = np.zeros(clusters, np.float64)

    def add(
        self,
        rows: npt.NDArray,
        labels: npt.NDArray[np.int64],
        distances: npt.NDArray[np.float32],
        threads: int,
    ) -> None:
        """Count rows, ``uint8`` or ``float32[n, dim]``, in with their clusters."""
        _core.add_to_sums(rows, labels, distances, self.rows, self.counts, self.errors, threads)

    @property
    def objective(self) -> float:
        """Sum of all distances."""
        return float(self.errors.sum())

    @property
    def empty(self) -> npt.NDArray[np.int64]:
        """The clusters without rows."""
        return np.flatnonzero(self.counts == 0)

    def means(self, centres: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The mean of every cluster; an empty one stays where it is in ``centres``."""
        means = centres.copy()
        held = np.flatnonzero(self.counts)
        for start in range(0, len(held), _PART):
            part = held[start : start + _PART]
            means[part] = self.rows[part] / self.counts[part, None]
        return means

    def split(
        self,
        means: npt.NDArray[np.float32],
        rows: Rows,
        labels: npt.NDArray[np.int64],
        distances: npt.NDArray[np.float32],
    ) -> int:
        """Move the means of empty clusters into those of largest error; how many were moved.

        Args:
            means: of :meth:`means`; changed in place.
            rows: all the data.
            labels: the cluster of every row.
            distances: of every row to the centre it was given.
        """
        empty = self.empty
        if not len(empty):
            return 0
        able = np.flatnonzero((self.errors > 0) & (self.counts > 1))
        donors = able[np.argsort(-self.errors[able], kind="stable")][: len(empty)]
        empty = empty[: len(donors)]
        farthest = _farthest(donors, labels, distances)
        means[empty] = means[donors] + _STEP * (rows.take(farthest) - means[donors])
        return len(donors)


def _farthest(
    clusters: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    distances: npt.NDArray[np.float32],
) -> npt.NDArray[np.int64]:
    """The row of each cluster that is farthest from its centre; of several the first."""
    members = np.flatnonzero(np.isin(labels, clusters))
    order = members[np.lexsort((members, -distances[members], labels[members]))]
    _, first = np.unique(labels[order], return_index=True)
    place = np.searchsorted(np.sort(clusters), clusters)
    return order[first][place]
