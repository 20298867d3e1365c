"""Which rows of a database are right answers to which query."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..interfaces import describe

_MASK_BYTES = 1 << 26
"""Of the masks held at a time."""

_NUMBERS = str.maketrans("biu", "fff")
"""Numbers are labels of one kind, whatever their type."""

Kind: TypeAlias = Literal["labels", "matrix", "neighbours"]
Mask: TypeAlias = npt.NDArray[np.bool_]
Order: TypeAlias = npt.NDArray[np.intp] | None


class Relevance(ABC):
    """The ground truth of a retrieval: made by one of the three functions ``from_...``.

    Attributes:
        kind: ``"labels"``, ``"matrix"`` or ``"neighbours"``.
        queries: how many queries it speaks of.
        rows: how many rows of the database; None for neighbours, who are named by their numbers.
        neighbours: right answers of each query, if they are neighbours; else None.
    """

    kind: Kind
    queries: int
    rows: int | None
    neighbours: int | None = None

    @staticmethod
    def from_labels(query_labels: npt.ArrayLike, database_labels: npt.ArrayLike) -> Relevance:
        """Right is who has the same label, or shares at least one of several.

        Args:
            query_labels: ``q`` labels of any one kind, or an indicator matrix ``(q, labels)`` of 0
                and 1.
            database_labels: as many for the ``n`` rows of the database.

        Raises:
            TypeError: labels of different kinds.
            ValueError: NaN, no labels, or indicators other than 0 and 1.

        >>> Relevance.from_labels(["cat", "dog"], ["dog", "cat", "cat"]).rows
        3
        """
        asked, held = np.asarray(query_labels), np.asarray(database_labels)
        for name, labels in (("query_labels", asked), ("database_labels", held)):
            if labels.ndim not in (1, 2):
                raise ValueError(
                    f"{name} must be labels (n,) or indicators (n, labels), got {describe(labels)}"
                )
            if not len(labels):
                raise ValueError(f"{name} must hold at least one label")
            if labels.dtype.kind == "f" and np.isnan(labels).any():
                raise ValueError(f"{name} must not hold NaN")
        kinds = {labels.dtype.kind.translate(_NUMBERS) for labels in (asked, held)}
        if len(kinds) > 1 or asked.ndim != held.ndim:
            raise TypeError(
                "query_labels and database_labels must be of one kind, got "
                f"{describe(asked)} and {describe(held)}"
            )
        if asked.ndim == 1:
            return _Labels(asked, held)
        return _Indicators(asked, held)

    @staticmethod
    def from_matrix(relevant: npt.NDArray[np.bool_]) -> Relevance:
        """Right is row ``j`` for query ``i`` where ``relevant[i, j]``.

        Raises:
            TypeError: no bool matrix ``(q, n)``.

        >>> Relevance.from_matrix(np.eye(3, dtype=bool)).queries
        3
        """
        if not isinstance(relevant, np.ndarray) or relevant.dtype != np.bool_ or relevant.ndim != 2:
            raise TypeError(
                f"relevant must be a bool array of shape (q, n), got {describe(relevant)}"
            )
        return _Matrix(relevant)

    @staticmethod
    def from_neighbours(ids: npt.NDArray[np.integer]) -> Relevance:
        """Right are the rows named: the nearest ones in the space that codes stand for.

        Args:
            ids: ``(q, k)`` numbers of rows of the database, such as ``Flat.search(...).ids``; -1
                names nobody.

        Raises:
            TypeError: no integers.
            ValueError: another shape, or numbers below -1.

        >>> Relevance.from_neighbours(np.array([[4, 7], [0, -1]])).neighbours
        2
        """
        found = np.asarray(ids)
        if found.dtype.kind not in "iu":
            raise TypeError(f"ids must be integers, got {describe(found)}")
        if found.ndim != 2 or not found.size:
            raise ValueError(f"ids must have shape (q, k), got {describe(found)}")
        if found.min() < -1:
            raise ValueError(f"ids must be numbers of rows, or -1 for none, got {found.min()}")
        return _Neighbours(found.astype(np.int64))

    def check(self, queries: int, rows: int) -> None:
        """Refuse another number of queries or rows than it speaks of.

        Raises:
            ValueError: they differ.
        """
        if self.queries != queries:
            raise ValueError(f"relevant speaks of {self.queries} queries, there are {queries}")
        if self.rows is not None and self.rows != rows:
            raise ValueError(f"relevant speaks of {self.rows} rows, the database has {rows}")

    def order(self) -> Order:
        """Rows of the database in an order that puts equal answers side by side, or None."""
        return None

    @property
    def _different(self) -> int:
        """At most so many different answers there are."""
        return self.queries

    @abstractmethod
    def pairs(self, queries: npt.NDArray, rows: npt.NDArray) -> Mask:
        """Whether row ``rows[i]`` is right for query ``queries[i]``."""

    @abstractmethod
    def _some(self, part: slice, rows: int, order: Order) -> tuple[npt.NDArray, npt.NDArray]:
        """Different answers of the queries of a part, as bits, and which each query has."""

    def masks(
        self, rows: int, words: int, order: Order = None, part: slice | None = None
    ) -> Iterator[tuple[slice, npt.NDArray[np.uint64], npt.NDArray[np.uint32]]]:
        """Queries part by part, with bit masks ``uint64[m, words]`` and which of them each has."""
        most = max(1, _MASK_BYTES // rows)
        step = max(1, self.queries) if self._different <= most else most
        first, end = (0, self.queries) if part is None else (part.start, part.stop)
        for start in range(first, end, step):
            part = slice(start, min(start + step, end))
            bits, which = self._some(part, rows, order)
            packed = np.zeros((len(bits), 8 * words), np.uint8)
            packed[:, : bits.shape[1]] = bits
            yield part, packed.view(np.uint64), which.astype(np.uint32)


class _Labels(Relevance):
    kind: Kind = "labels"

    def __init__(self, asked: npt.NDArray, held: npt.NDArray) -> None:
        self.queries, self.rows = len(asked), len(held)
        names, numbers = np.unique(np.concatenate([asked, held]), return_inverse=True)
        numbers = numbers.astype(np.int32)
        self._labels = len(names)
        self._asked, self._held = numbers[: len(asked)], numbers[len(asked) :]

    @property
    def _different(self) -> int:
        return self._labels

    def order(self) -> npt.NDArray[np.intp]:
        return np.argsort(self._held, kind="stable")

    def pairs(self, queries: npt.NDArray, rows: npt.NDArray) -> Mask:
        return self._asked[queries] == self._held[rows]

    def _some(self, part: slice, rows: int, order: Order) -> tuple[npt.NDArray, npt.NDArray]:
        labels, which = np.unique(self._asked[part], return_inverse=True)
        return _bits(labels[:, None] == _ordered(self._held, order)), which


class _Indicators(Relevance):
    kind: Kind = "labels"

    def __init__(self, asked: npt.NDArray, held: npt.NDArray) -> None:
        if asked.shape[1] != held.shape[1] or asked.shape[1] < 2:
            raise ValueError(
                "indicator matrices must have one column for each of at least 2 labels, got "
                f"{asked.shape[1]} and {held.shape[1]}; labels of one kind are a vector (n,)"
            )
        for name, labels in (("query_labels", asked), ("database_labels", held)):
            if not ((labels == 0) | (labels == 1)).all():
                raise ValueError(f"{name} must be an indicator matrix of 0 and 1")
        self.queries, self.rows = len(asked), len(held)
        self._asked, self._held = asked != 0, held != 0

    def pairs(self, queries: npt.NDArray, rows: npt.NDArray) -> Mask:
        return (self._asked[queries] & self._held[rows]).any(1)

    def _some(self, part: slice, rows: int, order: Order) -> tuple[npt.NDArray, npt.NDArray]:
        sets, which = np.unique(self._asked[part], axis=0, return_inverse=True)
        columns = _bits(_ordered(self._held, order).T)
        found = np.zeros((len(sets), columns.shape[1]), np.uint8)
        for bits, labels in zip(found, sets, strict=True):
            np.bitwise_or.reduce(columns[labels], axis=0, out=bits)
        return found, which.reshape(-1)


class _Matrix(Relevance):
    kind: Kind = "matrix"

    def __init__(self, relevant: Mask) -> None:
        self.queries, self.rows = relevant.shape
        self._relevant = relevant

    def pairs(self, queries: npt.NDArray, rows: npt.NDArray) -> Mask:
        return self._relevant[queries, rows]

    def _some(self, part: slice, rows: int, order: Order) -> tuple[npt.NDArray, npt.NDArray]:
        found = self._relevant[part] if order is None else self._relevant[part][:, order]
        return _bits(found), np.arange(len(found))


class _Neighbours(Relevance):
    kind: Kind = "neighbours"

    def __init__(self, ids: npt.NDArray[np.int64]) -> None:
        self.queries, self.neighbours = ids.shape
        self.rows = None
        self._ids = ids

    def check(self, queries: int, rows: int) -> None:
        super().check(queries, rows)
        if self._ids.max() >= rows:
            raise ValueError(f"relevant names row {self._ids.max()}, the database has {rows} rows")

    def pairs(self, queries: npt.NDArray, rows: npt.NDArray) -> Mask:
        return (self._ids[queries] == rows[:, None]).any(1)

    def _some(self, part: slice, rows: int, order: Order) -> tuple[npt.NDArray, npt.NDArray]:
        ids = self._ids[part]
        found = np.zeros((len(ids), rows), bool)
        at, column = np.nonzero(ids >= 0)
        found[at, ids[at, column]] = True
        return _bits(found if order is None else found[:, order]), np.arange(len(ids))


def _bits(found: Mask) -> npt.NDArray[np.uint8]:
    return np.packbits(found, axis=1, bitorder="little")


def _ordered(rows: npt.NDArray, order: Order) -> npt.NDArray:
    return rows if order is None else rows[order]


def relevance_of(relevant: Relevance | Mask) -> Relevance:
    """A bool matrix stands for itself.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(relevant, Relevance):
        return relevant
    if isinstance(relevant, np.ndarray) and relevant.dtype == np.bool_ and relevant.ndim == 2:
        return Relevance.from_matrix(relevant)
    raise TypeError(
        f"relevant must be a Relevance or a bool matrix (q, n), got {describe(relevant)}; labels "
        "go through Relevance.from_labels(query_labels, database_labels), true neighbours through "
        "Relevance.from_neighbours(ids)"
    )
