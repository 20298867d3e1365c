"""The FANNG graph index."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt

from .. import _core
from ..interfaces import Neighbours, describe
from ._index import (
    RowIndex,
    array_of,
    check_keys,
    check_type,
    layout_from,
    usable_threads,
)
from ._layout import Layout, positive_int

_SETTINGS = {"type", "dim", "metric", "dtype", "max_degree", "built"}
_GRAPH_SETTINGS = {"start", "squared_bound", "checked"}


@final
class Fanng(RowIndex[_core.FanngIndex]):
    """Fast approximate neighbours on a graph whose longer edges are occluded by shorter ones.

    Add rows, :meth:`build` once, then search; rows added later join the graph one by one.

    Source: Harwood and Drummond, "FANNG: Fast Approximate Nearest Neighbour Graphs", CVPR 2016:
    occlusion (eq. 1), traverse-add (alg. 4), refinement (sec. 3.6), degree limit (sec. 3.7),
    backtracking search with a budget of distances (alg. 3). Differences: ties are broken by row
    number; equal rows share one vertex; a part (an eighth) of the degree limit is kept for links
    that make sure that every row is found when it is its own query. For ``ip``, which is no metric,
    the graph is that of the rows with one more coordinate that makes them equally long (Neyshabur
    and Srebro, ICML 2015), and searches rank by the product itself; a row added later that is
    longer than any at the build takes 0 there, so build again if many are.

    Args:
        dim: elements of a row; bits for the dtype ``bits``.
        metric: ``l2`` (squared), ``ip``, ``cosine``, or ``hamming`` (in bits).
        dtype: ``float32``, ``float16``, ``uint8``; ``bits`` goes with ``hamming`` only. uint8 rows
            are compared as exact integers. For cosine all are held as unit vectors in float32.
        max_degree: most edges of a row, 4 to 1024; the paper finds 25 to 32 best.

    >>> index = Fanng(2)
    >>> index.add(np.array([[0, 0], [3, 4], [0, 1]], np.float32))
    >>> index.build()
    >>> index.search(np.array([[0, 0]], np.float32), k=2)
    Neighbours(distances=array([[0., 1.]], dtype=float32), ids=array([[0, 2]]))
    """

    _type = "fanng"

    def __init__(
        self, dim: int, metric: str = "l2", dtype: str = "float32", *, max_degree: int = 30
    ) -> None:
        layout = Layout(dim, metric, dtype)
        self._max_degree = positive_int("max_degree", max_degree)
        if not 4 <= self._max_degree <= 1024:
            raise ValueError(f"max_degree must be in 4 ..= 1024, got {max_degree}")
        super().__init__(layout, _core.FanngIndex(dim, metric, layout.held_dtype, self._max_degree))

    @property
    def max_degree(self) -> int:
        """Most edges of a row."""
        return self._max_degree

    @property
    def built(self) -> bool:
        """Whether there is a graph; then rows that are added join it."""
        return self._native.built

    @property
    def distances_computed(self) -> int:
        """Distances that searches of this index have computed so far, all queries together."""
        return self._native.distances_computed

    def build(
        self,
        threads: int | None = None,
        seed: int = 0,
        progress: Callable[[int, int, str], object] | None = None,
        *,
        success: float = 0.90,
    ) -> None:
        """Build the graph of all rows held; an earlier graph is replaced.

        Args:
            threads: by default one for each CPU; the graph does not depend on it.
            seed: of the random pairs between which edges are sought, 0 to 2^64 - 1.
            progress: called as ``progress(done, total, stage)`` about ten times a second; must not
                use this index. An exception from it stops the build and leaves the index as it was.
            success: rate of naive downhill walks that must succeed before the refinement; the
                paper uses 0.90, its successor 0.98. There are at most 50 walks for each row.

        Raises:
            KeyboardInterrupt: Ctrl-C; the index is as it was.
        """
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise TypeError(f"seed must be an int, got {describe(seed)}")
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"seed must be in 0 ..= 2^64 - 1, got {seed}")
        if not 0.0 <= success <= 1.0:
            raise ValueError(f"success must be in 0 ..= 1, got {success}")
        if progress is not None and not callable(progress):
            raise TypeError(f"progress must be callable, got {describe(progress)}")
        with self._storage.changing(None):
            self._native.build(usable_threads(threads), int(seed), float(success), progress)

    def search(
        self, queries: npt.NDArray, k: int, *, budget: int | None = None, threads: int | None = None
    ) -> Neighbours:
        """Find the ``k`` nearest rows of every query, nearly always.

        Args:
            queries: shape ``(q, dim)``, like the vectors of :meth:`add`.
            k: at least 1.
            budget: most distances computed for one query, at least ``k``; by default
                ``max(1000, 20 * k)``, which finds 99.9 % of the ten nearest among 60,000 MNIST
                images. A budget of ``len(index)`` makes the search exact.
            threads: by default one for each CPU; the result does not depend on it.

        Returns:
            Nearest first; ties in order of the id. Where fewer than ``k`` rows exist: id -1 at
            distance ``inf``, for ``ip`` and ``cosine`` at ``-inf``.

        Raises:
            TypeError: as for :meth:`add`.
            ValueError: as for :meth:`add`; or a budget below ``k``.
            RuntimeError: there are rows and no graph yet; call :meth:`build`.
        """
        k = positive_int("k", k)
        budget = (
            max(_core.DEFAULT_BUDGET, 20 * k) if budget is None else positive_int("budget", budget)
        )
        if budget < k:
            raise ValueError(f"budget must be at least k: {budget} distances cannot give {k} rows")
        rows, threads, result = self._prepare(queries, k, threads)
        self._native.search(rows, k, min(budget, 2**63), threads, result.distances, result.ids)
        return result

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray], settings: Mapping[str, Any]) -> Self:
        """The index that :meth:`arrays` and :meth:`settings` describe; everything is checked.

        Raises:
            ValueError: naming the array or setting at fault.
        """
        check_type(cls._type, settings)
        built = settings.get("built")
        if type(built) is not bool:
            raise ValueError(f"settings: built must be true or false, got {built!r}")
        check_keys("settings", _SETTINGS | (_GRAPH_SETTINGS if built else set()), settings)
        check_keys(
            "arrays", {"vectors", "ids"} | ({"degrees", "neighbours"} if built else set()), arrays
        )
        layout = layout_from(settings)
        try:
            index = cls(layout.dim, layout.metric, layout.dtype, max_degree=settings["max_degree"])
        except TypeError as error:
            raise ValueError(f"settings: {error}") from None
        index._restore_rows(arrays)
        if built:
            bound = settings["squared_bound"]
            if type(bound) not in (int, float) or not 0 <= bound <= 1e300:
                raise ValueError(f"settings: squared_bound must be in 0 ..= 1e300, got {bound!r}")
            index._native.restore(
                array_of("degrees", arrays, np.uint32),
                array_of("neighbours", arrays, np.uint32),
                _setting("start", settings, -1),
                float(bound),
                _setting("checked", settings, 0),
            )
        return index

    def _snapshot(self) -> tuple[dict[str, npt.NDArray], dict[str, Any]]:
        rows, built, degrees, neighbours, start, squared_bound, checked = self._native.state()
        vectors, ids = self._rows_from(*rows)
        arrays = {"vectors": vectors, "ids": ids}
        settings = self._base_settings() | {"max_degree": self._max_degree, "built": built}
        if built:
            arrays |= {"degrees": degrees, "neighbours": neighbours}
            settings |= {"start": start, "squared_bound": squared_bound, "checked": checked}
        return arrays, settings


def _setting(name: str, settings: Mapping[str, Any], least: int) -> int:
    value = settings[name]
    if type(value) is not int or not least <= value < 1 << 32:
        raise ValueError(f"settings: {name} must be an int in {least} ..= 2^32 - 1, got {value!r}")
    return value
