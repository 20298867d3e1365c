"""Counting rows in the leaves of ferns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_Counts = npt.NDArray[np.float64]


def counts_of_fern(
    leaves: npt.NDArray[np.uint16],
    codes: npt.NDArray[np.intp],
    shape: tuple[int, ...],
    weights: npt.NDArray | None,
) -> _Counts:
    """The weight of the rows of each class in each leaf of one fern.

    Args:
        leaves: of the rows, ``[n]``.
        codes: the numbers of their classes, ``[n]``.
        shape: of the result, ``(leaves, classes)``.
        weights: of the rows, or None for 1 each.

    >>> counts_of_fern(np.uint16([0, 1, 1]), np.array([0, 0, 1]), (2, 2), np.array([1, 1, 3]))
    array([[1., 0.],
           [1., 3.]])
    """
    cells = leaves.astype(np.int64) * shape[1] + codes
    return np.bincount(cells, weights, shape[0] * shape[1]).astype(np.float64).reshape(shape)


def grown(
    counts: list[_Counts], before: list[npt.NDArray], after: list[npt.NDArray]
) -> list[_Counts]:
    """The counts of each output with room for more classes, in the order of ``after``."""
    made: list[_Counts] = []
    for old, own, known in zip(counts, before, after, strict=True):
        new = np.zeros((*old.shape[:2], len(known)))
        new[..., np.searchsorted(known, own)] = old
        made.append(new)
    return made
