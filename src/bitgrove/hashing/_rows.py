"""Sums and products over many rows, a block at a time, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

_ROWS = 128
"""Of a block whose rows are mapped; every block has as many, see :func:`map_rows`."""

_SUMMED = 4096
"""Rows of a block that is added up."""


def map_rows(features: npt.NDArray, function: Callable[[Matrix], npt.NDArray]) -> Matrix:
    """``function`` of every row, one row or more; it gets blocks of rows as float64.

    The last block is filled up with rows of zeros. A linear algebra library takes other ways, and
    rounds otherwise, for other shapes; as all blocks have one shape, a row has exactly the same
    numbers, and bits, alone as among others.
    """
    done: list[npt.NDArray] = []
    block = np.zeros((_ROWS, features.shape[1]))
    for start in range(0, len(features), _ROWS):
        part = features[start : start + _ROWS]
        block[: len(part)] = part
        block[len(part) :] = 0
        done.append(np.array(function(block)[: len(part)], np.float64))
    return np.concatenate(done)


def blocks(features: npt.NDArray) -> Iterator[tuple[slice, Matrix]]:
    """Blocks of rows as float64, and which rows they are."""
    for start in range(0, len(features), _SUMMED):
        rows = slice(start, min(start + _SUMMED, len(features)))
        yield rows, np.asarray(features[rows], np.float64)


def mean_of(features: npt.NDArray) -> Matrix:
    """The mean, ``(d,)``."""
    return np.sum([part.sum(0) for _, part in blocks(features)], axis=0) / len(features)


def mean_and_covariance(features: npt.NDArray) -> tuple[Matrix, Matrix]:
    """The mean ``(d,)`` and the covariance ``(d, d)``, divided by ``n``, without a copy of all."""
    mean = mean_of(features)
    covariance = np.zeros((len(mean), len(mean)))
    for _, part in blocks(features):
        centred = part - mean
        covariance += centred.T @ centred
    return mean, covariance / len(features)
