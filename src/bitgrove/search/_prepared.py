"""What the exact indexes over codes share: something is made of the rows, once it is asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

import numpy.typing as npt

from .. import _core
from ..interfaces import Neighbours, RangeNeighbours
from ._asked import Progress, check_progress, check_radius
from ._index import RowIndex, check_type, layout_from, usable_threads
from ._journal import Operation
from ._layout import Array, Layout, as_bytes, positive_int
from ._stored import restore_flat

Prepared = TypeVar("Prepared", _core.MultiIndex, _core.ClusterIndex)


class PreparedCodes(RowIndex[Prepared]):
    """Base of exact indexes over codes; not an index by itself."""

    _parts: ClassVar[str]
    """Its parts by name, as in the constructor and in a file."""
    _kind: ClassVar[Any]
    """Of the index in C++."""

    def __init__(self, bits: int, parts: int | None) -> None:
        layout = Layout(bits, "hamming", "bits")
        wanted = 0 if parts is None else positive_int(self._parts, parts)
        super().__init__(layout, self._kind(layout.dim, wanted))
        self._wanted = wanted
        self._built = False

    @property
    def bits(self) -> int:
        """Length of a code."""
        return self.dim

    def build(self, threads: int | None = None, progress: Progress | None = None) -> None:
        """Prepare for searches; without this, or before it, every search compares every row.

        Args:
            threads: by default one for each CPU.
            progress: called as ``progress(done, total, stage)``; must not use this index.

        Raises:
            KeyboardInterrupt: Ctrl-C; the index is as it was.
        """
        check_progress(progress)
        with self._storage.changing(Operation("set", values={"built": True})):
            self._native.build(usable_threads(threads), progress)
            self._built = True

    def search(
        self, queries: Array, k: int, *, budget: int | None = None, threads: int | None = None
    ) -> Neighbours:
        """Find the ``k`` nearest rows of every query, exactly.

        Args:
            queries: ``uint8[q, ceil(bits / 8)]``, like the codes of :meth:`add`.
            k: at least 1.
            budget: must be None, since the search is exact.
            threads: by default one for each CPU; the result does not depend on it.

        Returns:
            Nearest first; ties in order of the id. Where fewer than ``k`` rows exist: id -1 at
            distance ``inf``.

        Raises:
            TypeError: as for :meth:`add`.
            ValueError: as for :meth:`add`; or a budget.
        """
        if budget is not None:
            raise ValueError(
                f"{type(self).__name__} is exact and takes no budget, got {budget}; "
                "leave it out, or use Fanng"
            )
        rows, threads, result = self._prepare(queries, k, threads)
        self._native.search(rows, result.ids.shape[1], threads, result.distances, result.ids)
        return result

    def range_search(
        self, queries: Array, radius: float, *, threads: int | None = None
    ) -> RangeNeighbours:
        """Find all rows within the radius of every query, exactly.

        Args:
            queries: ``uint8[q, ceil(bits / 8)]``, like the codes of :meth:`add`.
            radius: most bits in which a row may differ.
            threads: by default one for each CPU; the result does not depend on it.

        Returns:
            For each query nearest first; ties in order of the id.

        Raises:
            TypeError: as for :meth:`add`.
            ValueError: as for :meth:`add`; or a radius of NaN.
        """
        radius = check_radius(radius)
        rows = as_bytes(self._layout.held("queries", self._layout.check("queries", queries)))
        return RangeNeighbours(*self._native.range(rows, radius, usable_threads(threads)))

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, npt.NDArray],
        settings: Mapping[str, Any],
        *,
        verify: bool = True,
    ) -> Self:
        """The index that :meth:`arrays` and :meth:`settings` describe, prepared anew.

        Args:
            arrays: taken over without a copy where they may be written.
            settings: JSON values.
            verify: check everything; else faults in the codes cost results, and nothing else.

        Raises:
            ValueError: naming the array or setting at fault.
        """
        check_type(cls._type, settings)
        layout = layout_from(settings)
        if layout.dtype != "bits":
            raise ValueError(f"settings: dtype must be 'bits', got {layout.dtype!r}")
        rest, most = dict(settings), cls._most(layout)
        built, wanted = rest.pop("built", None), rest.pop(cls._parts, None)
        if type(built) is not bool or type(wanted) is not int or not 0 <= wanted <= most:
            raise ValueError(
                f"settings: expected built as a bool and {cls._parts} in 0 ..= {most}, "
                f"got {built!r} and {wanted!r}"
            )
        index = cls(layout.dim, wanted or None)
        restore_flat(index._native, layout, arrays, rest, verify)
        if built:
            index._native.build(usable_threads(None), None)
            index._built = True
        return index

    @classmethod
    @abstractmethod
    def _most(cls, layout: Layout) -> int:
        """Parts that a file may ask for."""

    def _perform(self, operation: Operation, threads: int) -> None:
        if operation.kind != "set":
            super()._perform(operation, threads)
        elif operation.values == {"built": True}:
            self._native.build(threads, None)
            self._built = True
        else:
            raise ValueError(f"{type(self).__name__} has no settings {operation.values}")

    def _snapshot(self) -> tuple[dict[str, npt.NDArray], dict[str, Any]]:
        vectors, ids = self._rows_from(*self._native.rows())
        settings = self._base_settings() | {
            "next_id": self._native.next_id,
            self._parts: self._wanted,
            "built": self._built,
        }
        return {"vectors": vectors, "ids": ids}, settings
