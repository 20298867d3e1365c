"""Exact neighbours of many rows, without any index: blocks of products, then exact distances."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_ROWS, _QUERIES = 100_000, 250


def exact_l2(
    base: npt.NDArray, queries: npt.NDArray, k: int = 100
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """The ``k`` nearest rows of every query by squared Euclidean distance, ties by lower row.

    float32 products sort out what cannot be among the nearest; distances of the others are taken
    in float64. The margin is far above the rounding of a float32 product of a few hundred
    elements.

    Returns:
        Rows and squared distances, each ``(q, k)``, nearest first.
    """
    norms = squared_norms(base)
    first = min(len(base), max(10 * k, _ROWS))
    ids = np.empty((len(queries), k), np.int32)
    distances = np.empty((len(queries), k), np.float64)
    for start in range(0, len(queries), _QUERIES):
        block = queries[start : start + _QUERIES].astype(np.float32)
        own = squared_norms(block)
        margin = 1e-5 * (own[:, None] + norms.max())
        bound = np.full((len(block), 1), np.inf, np.float32)
        found_query, found_row = [], []
        for row in range(0, len(base), first):
            rows = base[row : row + first].astype(np.float32, copy=False)
            near = own[:, None] + norms[None, row : row + first] - 2.0 * (block @ rows.T)
            if near.shape[1] > k and row == 0:
                bound = np.partition(near, k - 1, axis=1)[:, k - 1 : k] + margin
            query, column = np.nonzero(near <= bound)
            found_query.append(query)
            found_row.append(column + row)
        query, row = np.concatenate(found_query), np.concatenate(found_row)
        exact = _pairs(block, base, query, row)
        order = np.lexsort((row, exact, query))
        query, row, exact = query[order], row[order], exact[order]
        nearest = np.searchsorted(query, np.arange(len(block)))[:, None] + np.arange(k)
        ids[start : start + len(block)] = row[nearest]
        distances[start : start + len(block)] = exact[nearest]
    return ids, distances


def exact_hamming(
    base: npt.NDArray[np.uint8], queries: npt.NDArray[np.uint8], k: int = 100
) -> npt.NDArray[np.int32]:
    """Distances in bits of the ``k`` nearest packed codes of every query, nearest first."""
    distances = np.empty((len(queries), k), np.int32)
    words = base.view(np.uint64)
    for index, query in enumerate(queries.view(np.uint64)):
        bits = np.zeros(len(base), np.uint16)
        for word in range(words.shape[1]):
            bits += np.bitwise_count(words[:, word] ^ query[word])
        counts = np.cumsum(np.bincount(bits, minlength=64 * words.shape[1] + 1))
        distances[index] = np.searchsorted(counts, np.arange(1, k + 1))
    return distances


def found_distances(
    base: npt.NDArray, queries: npt.NDArray, ids: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """Distances of the rows that an index returned; infinite where it returned no row."""
    query, place = np.nonzero((ids >= 0) & (ids < len(base)))
    distances = np.full(ids.shape, np.inf)
    distances[query, place] = _pairs(queries, base, query, ids[query, place])
    return distances


def found_bits(
    base: npt.NDArray[np.uint8], queries: npt.NDArray[np.uint8], ids: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """The same for packed codes."""
    query, place = np.nonzero((ids >= 0) & (ids < len(base)))
    distances = np.full(ids.shape, np.inf)
    different = queries.view(np.uint64)[query] ^ base.view(np.uint64)[ids[query, place]]
    distances[query, place] = np.bitwise_count(different).sum(axis=1)
    return distances


def tie_aware_recall(
    found: npt.NDArray[np.float64],
    ids: npt.NDArray[np.integer],
    truth: npt.NDArray,
    k: int,
) -> float:
    """Share of the ``k`` nearest that were found.

    A returned row counts where it is not farther than the ``k``-th nearest, so whichever rows of
    a tie come back, they count; a row that is returned twice counts once.

    Args:
        found: distances of the rows returned, ``(q, at least k)``.
        ids: those rows.
        truth: distances of the nearest rows, nearest first, ``(q, at least k)``.
        k: how many are asked for.
    """
    order = np.argsort(ids[:, :k], axis=1, kind="stable")
    sorted_ids = np.take_along_axis(ids[:, :k], order, axis=1)
    near = np.take_along_axis(found[:, :k], order, axis=1) <= truth[:, k - 1 : k] * (1 + 1e-12)
    near[:, 1:] &= sorted_ids[:, 1:] != sorted_ids[:, :-1]
    return float(near.sum() / near.size)


def squared_norms(rows: npt.NDArray, block: int = 100_000) -> npt.NDArray[np.float32]:
    """Squared lengths of the rows."""
    found = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), block):
        part = rows[start : start + block].astype(np.float32, copy=False)
        found[start : start + block] = np.einsum("ij,ij->i", part, part)
    return found


def _pairs(
    queries: npt.NDArray, base: npt.NDArray, query: npt.NDArray, row: npt.NDArray
) -> npt.NDArray[np.float64]:
    """Squared distances of listed pairs, each in float64."""
    found = np.empty(len(query))
    step = 200_000
    for start in range(0, len(query), step):
        left = queries[query[start : start + step]].astype(np.float64)
        left -= base[row[start : start + step]]
        found[start : start + step] = np.einsum("ij,ij->i", left, left)
    return found
