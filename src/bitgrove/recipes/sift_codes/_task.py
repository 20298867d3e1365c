"""SIFT-1M computed from BSDS500, or its first rows, as a task with Euclidean neighbours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ... import data
from ...metrics import Relevance
from ...search import Flat
from .._hash_codes import Task

ALL = 1_000_000
"""Rows of the base."""

LEAST = 1000
"""Of them that make sense: ten neighbours for ten queries."""

_AT_A_TIME = 500
"""Queries whose neighbours are in memory with their distances."""


class Sizes(NamedTuple):
    """Of the parts, in the proportions of the protocol, whatever the rows of the base."""

    base: int
    learn: int
    query: int
    near: int
    """Neighbours that are right, and rows of a ranking that count."""

    @classmethod
    def of(cls, rows: int) -> Sizes:
        """A tenth is learnt from, a hundredth asks, a hundredth is right.

        Raises:
            ValueError: too few or too many rows.
        """
        if not LEAST <= rows <= ALL:
            raise ValueError(f"rows must be {LEAST} to {ALL}, got {rows}")
        return cls(rows, rows // 10, rows // 100, rows // 100)


def descriptors(sizes: Sizes) -> Task:
    """The task; rows of each part are drawn evenly, so that all photographs have some.

    Raises:
        DataError: the descriptors are not at hand, or fewer than asked for.
    """
    found = data.load_sift()
    base, learn, query = (
        _evenly(name, part, count)
        for name, part, count in zip(found._fields, found, sizes[:3], strict=True)
    )
    index = Flat(base.shape[1], "l2", "uint8")
    index.add(base)
    near = np.empty((sizes.query, sizes.near), np.int32)
    for start in range(0, sizes.query, _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        near[part] = index.search(query[part], sizes.near).ids
    return Task(
        train=learn.astype(np.float32),
        labels=None,
        gallery=base.astype(np.float32),
        queries=query.astype(np.float32),
        relevant=Relevance.from_neighbours(near),
        at=sizes.near,
        about={
            "what": "SIFT-1M computed from BSDS500, which is not SIFT1M",
            "features": "128 numbers from 0 to 255",
            "gallery": sizes.base,
            "train": sizes.learn,
            "queries": sizes.query,
            "neighbours": sizes.near,
        },
    )


def _evenly(name: str, rows: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
    if len(rows) < count:
        raise data.DataError(
            f"{name}.npy holds {len(rows)} descriptors, {count} are needed; ask for fewer --rows, "
            "or compute all of them"
        )
    return np.ascontiguousarray(rows[np.arange(count) * len(rows) // count])
