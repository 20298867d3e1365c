"""Exact search by comparing every row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, final

import numpy.typing as npt

from .. import _core
from ..interfaces import Neighbours, RangeNeighbours
from ._asked import check_radius
from ._index import RowIndex, check_type, layout_from, usable_threads
from ._layout import Array, Layout, as_bytes
from ._stored import restore_flat


@final
class Flat(RowIndex[_core.FlatIndex]):
    """The exact index: the oracle of every other one, and the best below a few thousand rows.

    Args:
        dim: elements of a row; bits for the dtype ``bits``.
        metric: ``l2`` (squared), ``ip``, ``cosine``, or ``hamming`` (in bits).
        dtype: ``float32``, ``float16``, ``uint8``; ``bits`` goes with ``hamming`` only. uint8 rows
            are compared as exact integers. For cosine all are held as unit vectors in float32.

    >>> import numpy as np
    >>> index = Flat(2)
    >>> index.add(np.array([[0, 0], [3, 4], [0, 1]], np.float32))
    >>> index.search(np.array([[0, 0]], np.float32), k=2)
    Neighbours(distances=array([[0., 1.]], dtype=float32), ids=array([[0, 2]]))
    """

    _type = "flat"

    def __init__(self, dim: int, metric: str = "l2", dtype: str = "float32") -> None:
        layout = Layout(dim, metric, dtype)
        super().__init__(layout, _core.FlatIndex(dim, metric, layout.held_dtype))

    def search(
        self, queries: Array, k: int, *, budget: int | None = None, threads: int | None = None
    ) -> Neighbours:
        """Find the ``k`` nearest rows of every query, exactly.

        Args:
            queries: shape ``(q, dim)``, like the vectors of :meth:`add`.
            k: at least 1.
            budget: must be None, since every row is compared.
            threads: by default one for each CPU; the result does not depend on it.

        Returns:
            Nearest first; ties in order of the id. Where fewer than ``k`` rows exist: id -1 at
            distance ``inf``, for ``ip`` and ``cosine`` at ``-inf``.

        Raises:
            TypeError: as for :meth:`add`.
            ValueError: as for :meth:`add`; or a budget.
        """
        if budget is not None:
            raise ValueError(
                f"Flat compares every row and takes no budget, got {budget}; "
                "leave it out, or use Fanng"
            )
        rows, threads, result = self._prepare(queries, k, threads)
        self._native.search_all(rows, result.ids.shape[1], threads, result.distances, result.ids)
        return result

    def range_search(
        self, queries: Array, radius: float, *, threads: int | None = None
    ) -> RangeNeighbours:
        """Find all rows within the radius of every query, exactly.

        Args:
            queries: shape ``(q, dim)``, like the vectors of :meth:`add`.
            radius: the largest distance, in the units of the metric: squared for ``l2``; for ``ip``
                and ``cosine`` the least score. Rows just at it are within.
            threads: by default one for each CPU; the result does not depend on it.

        Returns:
            For each query nearest first; ties in order of the id.

        Raises:
            TypeError: as for :meth:`add`.
            ValueError: as for :meth:`add`; or a radius of NaN.

        >>> import numpy as np
        >>> index = Flat(2)
        >>> index.add(np.array([[0, 0], [3, 4], [0, 1]], np.float32))
        >>> index.range_search(np.array([[0, 0]], np.float32), radius=1.0).ids
        array([0, 2]...)
        """
        radius = check_radius(radius)
        rows = as_bytes(self._layout.held("queries", self._layout.check("queries", queries)))
        return RangeNeighbours(*self._native.range_all(rows, radius, usable_threads(threads)))

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, npt.NDArray],
        settings: Mapping[str, Any],
        *,
        verify: bool = True,
    ) -> Self:
        """The index that :meth:`arrays` and :meth:`settings` describe.

        Args:
            arrays: taken over without a copy where they may be written.
            settings: JSON values.
            verify: check everything. Else vectors are not read, which leaves mapped ones in their
                file; a fault in them costs results, and nothing else.

        Raises:
            ValueError: naming the array or setting at fault.
        """
        check_type(cls._type, settings)
        layout = layout_from(settings)
        index = cls(layout.dim, layout.metric, layout.dtype)
        restore_flat(index._native, layout, arrays, settings, verify)
        return index

    def _snapshot(self) -> tuple[dict[str, npt.NDArray], dict[str, Any]]:
        vectors, ids = self._rows_from(*self._native.rows())
        settings = self._base_settings() | {"next_id": self._native.next_id}
        return {"vectors": vectors, "ids": ids}, settings
