"""Two steps: a shortlist by Hamming distance, then exact distances of the original vectors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..interfaces import Neighbours, describe
from ._flat import Flat
from ._index import usable_threads
from ._layout import METRICS, Array, Layout, as_numpy, positive_int


class CodeIndex(Protocol):
    """What finds a shortlist: every index over bits."""

    def search(self, queries: Array, k: int, *, threads: int | None = None) -> Neighbours:
        """The ``k`` nearest codes."""
        ...

    def __len__(self) -> int:
        """Number of rows held."""
        ...


def shortlist_and_rerank(
    index: CodeIndex,
    vectors: Array,
    query_codes: Array,
    queries: Array,
    k: int,
    *,
    shortlist: int | None = None,
    metric: str = "cosine",
    threads: int | None = None,
) -> Neighbours:
    """Find the ``k`` nearest vectors among those whose codes are nearest.

    The order within the shortlist is by the vectors alone, and exact, as ``Flat`` of this metric
    has it; what is not in the shortlist is not found. :func:`shortlist_recall` says how often.

    Args:
        index: of the codes; its ids are the numbers of the rows of ``vectors``.
        vectors: ``(n, dim)`` of float32, float16 or uint8; a memory map will do, of which the rows
            of the shortlists are read.
        query_codes: as ``index`` takes them, of shape ``(q, ...)``.
        queries: ``(q, dim)``, of the dtype of ``vectors``: they are not quantised.
        k: at least 1.
        shortlist: rows to compare for each query, at least ``k``; by default ``10 * k``.
        metric: of the vectors: ``l2`` (squared), ``ip`` or ``cosine``.
        threads: of the search for shortlists; the result does not depend on it.

    Returns:
        Nearest first, ties in order of the id, in the units of the metric. Where the shortlist has
        fewer than ``k`` rows: id -1 at distance ``inf``, for ``ip`` and ``cosine`` at ``-inf``.

    Raises:
        TypeError: arrays of another kind.
        ValueError: shapes that do not match, NaN or infinity in what is compared, an id that is no
            row of ``vectors``, a metric or a number out of range.

    >>> rng = np.random.default_rng(0)
    >>> vectors = rng.normal(size=(500, 32)).astype(np.float32)
    >>> codes = np.packbits(vectors >= 0, axis=1)
    >>> index = Flat(32, "hamming", "bits")
    >>> index.add(codes)
    >>> shortlist_and_rerank(index, vectors, codes[:2], vectors[:2], k=1).ids
    array([[0],
           [1]])
    """
    held, asked, k, size = _checked(vectors, queries, k, shortlist, metric)
    found = index.search(query_codes, size, threads=usable_threads(threads)).ids
    if len(found) != len(asked):
        raise ValueError(f"{len(asked)} queries need as many query_codes, got {len(found)}")
    if found.max(initial=-1) >= len(held):
        raise ValueError(
            f"the index holds the id {found.max()}, but there are only {len(held)} vectors: its "
            "ids must be the numbers of their rows"
        )
    result = Neighbours(np.empty((len(asked), k), np.float32), np.empty((len(asked), k), np.int64))
    for query, near, distances, ids in zip(asked, found, *result, strict=True):
        rows = np.sort(near[near >= 0])
        exact = Flat(held.shape[1], metric, held.dtype.name)
        exact.add(np.asarray(held[rows]), rows)
        distances[:], ids[:] = (each[0] for each in exact.search(query[None], k, threads=1))
    return result


def shortlist_recall(
    index: CodeIndex,
    vectors: Array,
    query_codes: Array,
    queries: Array,
    k: int,
    *,
    shortlists: Iterable[int],
    metric: str = "cosine",
    threads: int | None = None,
) -> dict[int, float]:
    """Share of the ``k`` truly nearest vectors that shortlists of several lengths contain.

    This is the recall of :func:`shortlist_and_rerank`, found by comparing every query with every
    vector: ask for a sample of queries.

    Args:
        index: as there, like all others.
        vectors: likewise.
        query_codes: likewise.
        queries: likewise.
        k: likewise.
        shortlists: their lengths, each at least ``k``.
        metric: likewise.
        threads: likewise.

    Returns:
        The recall for each length.

    Raises:
        TypeError: as there.
        ValueError: likewise; or no lengths, no queries, or fewer than ``k`` vectors.

    >>> rng = np.random.default_rng(0)
    >>> vectors = rng.normal(size=(500, 32)).astype(np.float32)
    >>> codes = np.packbits(vectors >= 0, axis=1)
    >>> index = Flat(32, "hamming", "bits")
    >>> index.add(codes)
    >>> shortlist_recall(index, vectors, codes[:9], vectors[:9], 1, shortlists=[1, 50])
    {1: 1.0, 50: 1.0}
    """
    lengths = sorted({positive_int("shortlists", length) for length in shortlists})
    if not lengths:
        raise ValueError("shortlists must hold at least one length")
    held, asked, k, _ = _checked(vectors, queries, k, lengths[0], metric)
    if len(held) < k or len(asked) == 0:
        raise ValueError(
            f"recall needs queries and at least {k} vectors, got {len(asked)} and {len(held)}"
        )
    exact = Flat(held.shape[1], metric, held.dtype.name)
    exact.add(np.asarray(held))
    truth = exact.search(asked, k, threads=threads).ids
    near = index.search(query_codes, lengths[-1], threads=usable_threads(threads)).ids
    if len(near) != len(asked):
        raise ValueError(f"{len(asked)} queries need as many query_codes, got {len(near)}")
    return {
        length: sum(
            int(np.isin(right, some[:length]).sum())
            for right, some in zip(truth, near, strict=True)
        )
        / truth.size
        for length in lengths
    }


def _checked(
    vectors: Array, queries: Array, k: int, shortlist: int | None, metric: str
) -> tuple[npt.NDArray, npt.NDArray, int, int]:
    if metric not in METRICS or metric == "hamming":
        raise ValueError(f"metric must be one of l2, ip, cosine, got {metric!r}")
    held = as_numpy("vectors", vectors)
    if (
        not isinstance(held, np.ndarray)
        or held.ndim != 2
        or held.dtype.name not in ("float32", "float16", "uint8")
    ):
        raise TypeError(
            f"vectors must be float32, float16 or uint8 of shape (n, dim), got {describe(held)}"
        )
    asked = Layout(held.shape[1], metric, held.dtype.name).check("queries", queries)
    k = positive_int("k", k)
    size = 10 * k if shortlist is None else positive_int("shortlist", shortlist)
    if size < k:
        raise ValueError(f"shortlist must be at least k, {k}, got {size}")
    return held, asked, k, size
