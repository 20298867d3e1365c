"""What a miner gives and what it takes: triplets, and the rows of each class."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..interfaces import describe

Rows = npt.NDArray[np.int64]


class Triplets(NamedTuple):
    """Numbers of training images; positives are of the anchor's class, negatives of another."""

    anchors: Rows
    """Shape ``(t,)``."""
    positives: Rows
    """Shape ``(t,)``; never the anchor itself."""
    negatives: Rows
    """Shape ``(t,)``."""
    mined: npt.NDArray[np.bool_]
    """Shape ``(t,)``: whether neighbours chose the triplet; the others were drawn at random."""

    def select(self, order: Rows) -> Triplets:
        """The triplets of these numbers, in this order."""
        return Triplets(
            self.anchors[order], self.positives[order], self.negatives[order], self.mined[order]
        )

    def shuffled(self, rng: np.random.Generator) -> Triplets:
        """The same triplets in a random order."""
        return self.select(rng.permutation(len(self.anchors)))


class ClassRows:
    """Which images belong together, for drawing at random.

    Args:
        labels: ``int[n]``, the class of every image.

    Raises:
        TypeError: labels are no integers.
        ValueError: there are fewer than two classes, or no class has two images.

    >>> rows = ClassRows(np.array([7, 7, 9]))
    >>> rows.anchors, rows.members(0)
    (array([0, 1]), array([0, 1]))
    """

    def __init__(self, labels: npt.ArrayLike) -> None:
        given = np.asarray(labels)
        if given.ndim != 1 or given.dtype.kind not in "iu":
            raise TypeError(f"labels must be integers of shape (n,), got {describe(given)}")
        classes, self.labels = np.unique(given, return_inverse=True)
        counts = np.bincount(self.labels, minlength=len(classes))
        if len(classes) < 2 or counts.max() < 2:
            raise ValueError(
                "triplets need two classes at least, one of them with two images, got "
                f"{len(classes)} classes of at most {counts.max(initial=0)} images"
            )
        self._order = np.argsort(self.labels, kind="stable")
        self._start = np.cumsum(counts) - counts
        self._counts = counts
        self._place = np.empty_like(self._order)
        self._place[self._order] = np.arange(len(given))
        self.anchors: Rows = np.flatnonzero(counts[self.labels] > 1)

    def __len__(self) -> int:
        return len(self.labels)

    def members(self, row: int) -> Rows:
        """All images of the class of one, in increasing order."""
        label = self.labels[row]
        return self._order[self._start[label] :][: self._counts[label]]

    def draw_positives(self, anchors: Rows, rng: np.random.Generator) -> Rows:
        """For every anchor another image of its class, each with the same chance."""
        label = self.labels[anchors]
        start, count = self._start[label], self._counts[label]
        ahead = rng.integers(1, count)
        return self._order[start + (self._place[anchors] - start + ahead) % count]

    def draw_negatives(self, anchors: Rows, rng: np.random.Generator) -> Rows:
        """For every anchor an image of another class, each with the same chance."""
        label = self.labels[anchors]
        start, count = self._start[label], self._counts[label]
        place = rng.integers(0, len(self) - count)
        return self._order[np.where(place < start, place, place + count)]
