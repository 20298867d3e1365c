"""Directions of most variance, with signs that do not depend on the linear algebra's library."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def top_eigenvectors(moment: Matrix, count: int) -> Matrix:
    """Eigenvectors of a symmetric matrix as rows, ``(count, d)``, largest eigenvalue first.

    The element of largest size in each is positive.
    """
    _, vectors = np.linalg.eigh(moment)
    rows = vectors[:, ::-1][:, :count].T
    largest = rows[np.arange(len(rows)), np.abs(rows).argmax(1)]
    return rows * np.where(largest < 0, -1.0, 1.0)[:, None]


def principal_axes(features: npt.NDArray, count: int) -> tuple[Matrix, Matrix]:
    """The mean ``(d,)`` and the first principal axes ``(count, d)`` of rows ``(n, d)``.

    Raises:
        ValueError: squares of the features are too large for float64.
    """
    rows = np.asarray(features, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = rows.mean(0)
        centred = rows - mean
        moment = centred.T @ centred / len(rows)
    if not np.isfinite(moment).all():
        raise ValueError("X has values whose squares are too large for float64: scale the features")
    return mean, top_eigenvectors(moment, count)


def check_axes(name: str, bits: int, features: int) -> None:
    """Refuse codes with more bits than there are axes."""
    if bits > features:
        raise ValueError(
            f"{name} has an axis of the features for each bit, so bits must not exceed "
            f"n_features={features}, got bits={bits}"
        )
