"""Radial basis functions about anchors: features in which a linear map bends."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._rows import Matrix, blocks


class Anchors(NamedTuple):
    """``exp(-||x - a||² / (2 width²))`` for each anchor ``a``, and a 1."""

    points: Matrix
    """Shape ``(anchors, features)``."""
    width: float

    def of(self, rows: Matrix) -> Matrix:
        """The functions of rows ``(n, features)``: ``(n, anchors + 1)``."""
        out = np.ones((len(rows), len(self.points) + 1))
        squares = squared_distances(rows, self.points)
        np.exp(squares / (-2 * self.width**2), out=out[:, :-1])
        return out

    def of_all(self, features: npt.NDArray) -> npt.NDArray[np.float32]:
        """The functions of all training rows, kept as float32."""
        out = np.empty((len(features), len(self.points) + 1), np.float32)
        for rows, part in blocks(features):
            out[rows] = self.of(part)
        return out


def mean_distance_to_anchors(features: npt.NDArray, points: Matrix) -> float:
    """The mean distance of the rows to their nearest anchor that is not the row itself.

    Raises:
        ValueError: it is 0.
    """
    total = 0.0
    for _, part in blocks(features):
        squares = squared_distances(part, points)
        near = np.where(squares > 1e-12 * (part**2).sum(1, keepdims=True), squares, np.inf).min(1)
        total += np.sqrt(near[np.isfinite(near)]).sum()
    if not total > 0:
        raise ValueError(
            "all rows are equal, so there is no width of radial basis functions to take from them"
        )
    return total / len(features)


def squared_distances(rows: Matrix, points: Matrix) -> Matrix:
    """``(n, m)``, not negative."""
    squares = (rows @ points.T) * -2
    squares += (rows**2).sum(1)[:, None]
    squares += (points**2).sum(1)
    return np.maximum(squares, 0, out=squares)
