"""Recall at k of embeddings, as metric learning counts it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..interfaces import describe
from ..kernels import squared_l2_distances

_BLOCK = 1 << 22
"""Distances held at a time."""


def recall_at_k(
    queries: npt.NDArray[np.float32],
    labels: npt.ArrayLike,
    k: Sequence[int] = (1, 2, 4, 8),
    *,
    database: npt.NDArray[np.float32] | None = None,
    database_labels: npt.ArrayLike | None = None,
) -> dict[int, float]:
    """Share of the queries that have one of their own class among the ``k`` nearest.

    Source: Jégou, Douze and Schmid, "Product quantization for nearest neighbor search", TPAMI 2011,
    with "of the same class" for "the nearest", as in Song et al., "Deep metric learning via lifted
    structured feature embedding", CVPR 2016. Other uses of the name count how many of the relevant
    rows are found; this one counts queries. Differences: a row of another class at the same
    distance goes first, so that embeddings which have collapsed to one point find nothing.

    Args:
        queries: ``float32[q, dim]``, C-contiguous, finite.
        labels: ``q`` labels of any one kind.
        k: how many neighbours are looked at; each at least 1.
        database: ``float32[n, dim]`` rows that are searched; by default the queries, each without
            itself.
        database_labels: ``n`` labels; given if and only if ``database`` is.

    Returns:
        For each of ``k`` a share in 0 to 1. A query whose class has no row to find counts as
        missed.

    Raises:
        TypeError: rows of another kind.
        ValueError: numbers of rows and labels differ, there is no query, or a ``k`` is below 1.

    >>> rows = np.array([[0], [1], [3], [3.5]], np.float32)
    >>> recall_at_k(rows, ["a", "b", "b", "a"], k=(1, 2))
    {1: 0.0, 2: 0.5}
    """
    if (database is None) != (database_labels is None):
        raise ValueError("database and database_labels go together: give both or neither")
    leave_out = database is None
    rows = queries if database is None else database
    own = _check("labels", labels, "queries", queries)
    other = own
    if database_labels is not None:
        other = _check("database_labels", database_labels, "database", rows)
    if not len(queries):
        raise ValueError("queries must hold at least one row")
    if not k or any(isinstance(v, bool) or v != int(v) or v < 1 for v in k):
        raise ValueError(f"k must be numbers of at least 1, got {tuple(k)}")
    before = np.empty(len(queries), np.int64)
    step = max(1, _BLOCK // max(len(rows), 1))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        distances = squared_l2_distances(queries[part], rows)
        same = own[part, None] == other[None, :]
        if leave_out:
            numbers = np.arange(len(distances))
            same[numbers, start + numbers] = False
            distances[numbers, start + numbers] = np.inf
        nearest = np.where(same, distances, np.inf).min(axis=1, initial=np.inf)
        closer = (~same & (distances <= nearest[:, None])).sum(axis=1)
        before[part] = np.where(same.any(axis=1), closer, len(rows))
    return {int(v): float((before < min(v, len(rows))).mean()) for v in k}


def _check(
    name: str, labels: npt.ArrayLike, rows_name: str, rows: npt.NDArray[np.float32]
) -> npt.NDArray:
    found = np.asarray(labels)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2:
        raise TypeError(
            f"{rows_name} must be a float32 array of shape (n, dim), got {describe(rows)}"
        )
    if found.shape != (len(rows),):
        raise ValueError(f"{name} must be {len(rows)}, one for each row, got shape {found.shape}")
    return found
