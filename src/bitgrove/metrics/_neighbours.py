"""Ground truth that needs no labels: who is near in the space that codes stand for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from ..interfaces import describe
from ..kernels import squared_l2_distances
from ._codes import threads_of
from ._rule import at_least_one

_BLOCK = 1 << 22
"""Distances held at a time by each thread."""


def euclidean_neighbours(
    queries: npt.NDArray[np.float32],
    database: npt.NDArray[np.float32],
    k: int,
    *,
    threads: int | None = None,
) -> npt.NDArray[np.int64]:
    """Rows of the database that are nearest to each query, for :meth:`Relevance.from_neighbours`.

    Args:
        queries: ``float32[q, dim]``, C-contiguous, finite.
        database: ``float32[n, dim]``, likewise.
        k: how many, 1 to ``n``.
        threads: by default one for each CPU; the result does not depend on it.

    Returns:
        ``int64[q, k]``, nearest first, equally near ones by their number.

    Raises:
        TypeError: rows of another kind.
        ValueError: NaN or infinite rows, widths that differ, or ``k`` out of range.

    >>> rows = np.array([[0], [3], [4], [9]], np.float32)
    >>> euclidean_neighbours(np.array([[3.4]], np.float32), rows, 2)
    array([[1, 2]])
    """
    at_least_one("k", k)
    workers = threads_of(threads)
    for name, rows in (("queries", queries), ("database", database)):
        if not isinstance(rows, np.ndarray) or rows.dtype != np.float32 or rows.ndim != 2:
            raise TypeError(f"{name} must be float32 of shape (n, dim), got {describe(rows)}")
        if not np.isfinite(rows).all():
            raise ValueError(f"{name} must be finite")
    if k > len(database):
        raise ValueError(f"k must be at most {len(database)}, the rows of the database, got {k}")
    found = np.empty((len(queries), k), np.int64)
    step = max(1, _BLOCK // len(database))

    def search(start: int) -> None:
        part = slice(start, start + step)
        distances = squared_l2_distances(queries[part], database)
        limits = np.partition(distances, k - 1, axis=1)[:, k - 1]
        for row, near, limit in zip(found[part], distances, limits, strict=True):
            rows = np.flatnonzero(near <= limit)
            row[:] = rows[np.argsort(near[rows], kind="stable")[:k]]

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(search, range(0, len(queries), step)))
    return found
