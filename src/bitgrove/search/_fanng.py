"""The FANNG graph index."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt

from .. import _core
from ..interfaces import Neighbours, RangeNeighbours
from ._asked import (
    Progress,
    check_budget,
    check_filter,
    check_flag,
    check_interleave,
    check_number,
    check_progress,
    check_radius,
    check_seed,
    check_starts,
    check_width,
)
from ._index import check_type, layout_from, usable_threads
from ._journal import Operation
from ._layout import Array, Layout, as_bytes, positive_int
from ._paper import PaperGraph
from ._quality import Trial, least_width
from ._stored import modern, restore

_MAX_TUNED_WIDTH = 1 << 16


@final
class Fanng(PaperGraph):
    """Fast approximate neighbours on a graph whose longer edges are occluded by shorter ones.

    Add rows, :meth:`build` once, then search; rows added later join the graph.

    Source: Harwood and Drummond, "FANNG: Fast Approximate Nearest Neighbour Graphs", CVPR 2016. All
    of it is here: :meth:`build_by_traversal` and :meth:`search_by_backtracking`. On the same kind
    of graph, :meth:`build` and :meth:`search` are faster: rows are inserted in batches (Blelloch et
    al., "ParlayANN", PPoPP 2024) under the occlusion rule (eq. 1), relaxed by a factor (Subramanya
    et al., "DiskANN", NeurIPS 2019), and walks measure codes of a byte for each element, a quarter
    of the memory traffic of floats, before exact distances decide. Ties are broken by row number or
    id; equal rows share one vertex; every row is found when it is its own query. For ``ip``, which
    is no metric, the graph is that of the rows with one more coordinate that makes them equally
    long (Neyshabur and Srebro, ICML 2015), and results rank by the product itself; a row added
    later that is longer than any at the build takes 0 there, so build again if many are.

    Several threads may search while others change the index: changes take turns.

    Args:
        dim: elements of a row; bits for the dtype ``bits``.
        metric: ``l2`` (squared), ``ip``, ``cosine``, or ``hamming`` (in bits).
        dtype: ``float32``, ``float16``, ``uint8``; ``bits`` goes with ``hamming`` only. uint8 rows
            are compared as exact integers. For cosine all are held as unit vectors in float32.
        max_degree: most edges of a row, 4 to 1024. The paper finds 25 to 32 best for its walk; this
            one is faster with more, which cost 4 bytes each.

    >>> index = Fanng(2)
    >>> index.add(np.array([[0, 0], [3, 4], [0, 1]], np.float32))
    >>> index.build()
    >>> index.search(np.array([[0, 0]], np.float32), k=2)
    Neighbours(distances=array([[0., 1.]], dtype=float32), ids=array([[0, 2]]))
    """

    _type = "fanng"

    def __init__(
        self, dim: int, metric: str = "l2", dtype: str = "float32", *, max_degree: int = 64
    ) -> None:
        super().__init__(Layout(dim, metric, dtype), max_degree)
        self._width = _core.DEFAULT_WIDTH

    @property
    def width(self) -> int:
        """Candidates that a search keeps unless it is told otherwise; saved with the index."""
        return self._width

    @width.setter
    def width(self, width: int) -> None:
        width = check_width(width)
        with self._storage.changing(Operation("set", values={"width": width})):
            self._width = width

    def build(
        self,
        threads: int | None = None,
        seed: int = 0,
        progress: Progress | None = None,
        *,
        width: int = 64,
        relax: float = 1.1,
        codes: bool = True,
    ) -> None:
        """Build the graph of all rows held; an earlier graph is replaced.

        Searches go on in the earlier graph until the new one is ready; changes wait. The rows are
        sorted anew, so that neighbours lie near each other in memory: afterwards
        ``vectors`` and ``ids`` show them in another order. Ids stay.

        Args:
            threads: by default one for each CPU; the graph does not depend on it, to the last bit.
            seed: of the order in which rows are inserted, 0 to 2^64 - 1.
            progress: called as ``progress(done, total, stage)`` about ten times a second; must not
                use this index. An exception from it stops the build and leaves the index as it was.
            width: candidates among which each row's neighbours are sought; more takes longer and
                makes a better graph.
            relax: at least 1; an edge occludes a longer one only if its end is this many times
                closer to the other's end. 1 is the rule of the paper, which keeps fewer edges.
            codes: walk on codes of one byte for each element, where they lose little; else on the
                rows themselves. Rows of ``uint8`` and bits need none.

        Raises:
            KeyboardInterrupt: Ctrl-C; the index is as it was.
        """
        relax, codes = check_number("relax", relax), check_flag("codes", codes)
        if not 1.0 <= relax <= 2.0:
            raise ValueError(f"relax must be in 1 ..= 2, got {relax}")
        seed, width = check_seed(seed), check_width(width)
        with self._storage.changing(None):
            self._native.build(
                usable_threads(threads), seed, width, relax, codes, check_progress(progress)
            )

    def search(
        self,
        queries: Array,
        k: int,
        *,
        width: int | None = None,
        budget: int | timedelta | None = None,
        filter: Array | None = None,
        starts: Array | None = None,
        interleave: int = 1,
        threads: int | None = None,
    ) -> Neighbours:
        """Find the ``k`` nearest rows of every query, nearly always.

        Args:
            queries: shape ``(q, dim)``, like the vectors of :meth:`add`.
            k: at least 1.
            width: candidates that the walk keeps: more are slower and find more. By default
                :attr:`width`, and never below ``k``. ``len(index)`` makes the search exact.
            budget: a hard limit for each query, at which the best found so far is the answer: an
                int of at least ``k`` for distances computed by the walk, or a ``timedelta``.
            filter: rows that may be results: ``bool[n]``, in the order of :attr:`ids`, or an
                ``int64`` array of ids. The walk widens until it has met enough of them; where that
                would take longer than comparing all of them, they are compared.
            starts: ``int64[q]``, for each query the id of the row where its walk begins, if a near
                one is known. Otherwise it begins at the nearest of about ``sqrt(n) / 4`` rows that
                are spread over the index, whose distances count for the budget; where that is less
                than eight times as many, at the row nearest to the mass centre.
            interleave: queries of one thread that take turns, 1 to 16: while the rows that one
                needs come from memory, another computes. The result does not depend on it; whether
                it is faster depends on the CPU, and ``benchmarks/interleave.py`` tells. Not
                together with a time as the budget.
            threads: by default one for each CPU; the result does not depend on it, unless a time
                is the budget.

        Returns:
            Nearest first; ties in order of the id. Without a budget always ``k`` rows where so many
            may be results. The places of others hold id -1 at distance ``inf``, for ``ip`` and
            ``cosine`` at ``-inf``.

        Raises:
            TypeError: as for :meth:`add`.
            ValueError: as for :meth:`add`; a budget below ``k``; an id that is not held; more
                queries in turns than 16, or than 1 with a time as the budget.
            RuntimeError: there are rows and no graph yet; call :meth:`build`.
        """
        k = positive_int("k", k)
        width = self._width if width is None else check_width(width)
        distances, nanoseconds = check_budget(budget, k)
        interleave = check_interleave(interleave, timed=nanoseconds > 0)
        rows, threads, result = self._prepare(queries, k, threads)
        from_ids = check_starts(starts, len(rows))
        flags, allowed = check_filter(filter)
        self._native.search(
            rows,
            k,
            width,
            distances,
            nanoseconds,
            from_ids,
            flags,
            allowed,
            interleave,
            threads,
            result.distances,
            result.ids,
        )
        return result

    def range_search(
        self,
        queries: Array,
        radius: float,
        *,
        width: int | None = None,
        filter: Array | None = None,
        threads: int | None = None,
    ) -> RangeNeighbours:
        """Find all rows within the radius of every query, nearly always.

        A walk finds the nearest; from them the search spreads through all vertices within the
        radius, and gives up beyond it when a quarter of ``width`` in a row lead to none.

        Args:
            queries: shape ``(q, dim)``, like the vectors of :meth:`add`.
            radius: the largest distance, in the units of the metric: squared for ``l2``; for ``ip``
                and ``cosine`` the least score. Rows just at it are within.
            width: as for :meth:`search`; ``len(index)`` makes the search exact.
            filter: as for :meth:`search`.
            threads: by default one for each CPU; the result does not depend on it.

        Returns:
            For each query nearest first, by exact distances; ties in order of the id.

        Raises:
            TypeError: as for :meth:`add`.
            ValueError: as for :meth:`add`; a radius of NaN; an id that is not held.
            RuntimeError: there are rows and no graph yet; call :meth:`build`.
        """
        radius = check_radius(radius)
        width = self._width if width is None else check_width(width)
        rows = as_bytes(self._layout.held("queries", self._layout.check("queries", queries)))
        flags, allowed = check_filter(filter)
        found = self._native.range(rows, radius, width, flags, allowed, usable_threads(threads))
        return RangeNeighbours(*found)

    def measure_recall(
        self,
        queries: Array | None = None,
        k: int = 10,
        *,
        width: int | None = None,
        sample: int = 1000,
        seed: int = 0,
        threads: int | None = None,
    ) -> float:
        """The share of the ``k`` nearest rows that :meth:`search` finds.

        All rows are compared to know them. A row counts if it is no farther than the exact
        ``k``-th, so that ties do no harm.

        Args:
            queries: shape ``(q, dim)``, like the vectors of :meth:`add`: best are real ones. By
                default rows are sampled, each left out of its own results; their recall is higher
                than that of queries from elsewhere.
            k: at least 1.
            width: as for :meth:`search`.
            sample: rows that are sampled, at most.
            seed: of the sample.
            threads: by default one for each CPU; the result does not depend on it.

        Returns:
            In 0 ..= 1; 1 for an index without rows to find.

        Raises:
            TypeError: as for :meth:`search`.
            ValueError: as for :meth:`search`; no queries.
            RuntimeError: as for :meth:`search`.
        """
        width = self._width if width is None else check_width(width)
        return Trial(self, queries, k, sample, check_seed(seed), threads).recall(width)

    def tune(
        self,
        recall: float = 0.95,
        k: int = 10,
        queries: Array | None = None,
        *,
        sample: int = 1000,
        seed: int = 0,
        threads: int | None = None,
    ) -> int:
        """Set :attr:`width` to about the least that reaches a recall; it is saved with the index.

        Widths grow by an eighth from ``k`` on; among them the least is found by bisection.

        Args:
            recall: wanted of :meth:`measure_recall`, above 0 and at most 1.
            k: as for :meth:`measure_recall`, like the rest.
            queries: best are real ones, other than those on which the result is judged.
            sample: rows that are sampled, at most.
            seed: of the sample.
            threads: by default one for each CPU; the result does not depend on it.

        Returns:
            The width.

        Raises:
            TypeError: as for :meth:`measure_recall`.
            ValueError: as for :meth:`measure_recall`; a recall out of range; or no row to find.
            RuntimeError: as for :meth:`search`; or no width up to 65,536 reaches the recall.

        >>> rng = np.random.default_rng(0)
        >>> index = Fanng(8)
        >>> index.add(rng.standard_normal((500, 8)).astype(np.float32))
        >>> index.build()
        >>> index.tune(recall=0.9, k=5) == index.width
        True
        >>> index.measure_recall(k=5) >= 0.9
        True
        """
        recall = check_number("recall", recall)
        if not 0.0 < recall <= 1.0:
            raise ValueError(f"recall must be above 0 and at most 1, got {recall}")
        trial = Trial(self, queries, k, sample, check_seed(seed), threads)
        if trial.wanted == 0:
            raise ValueError(
                f"tune needs rows to find, this index has {len(self)}; add some, or set width"
            )
        self.width = least_width(trial, recall, k, min(len(self), _MAX_TUNED_WIDTH))
        return self.width

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
            arrays: taken over without a copy where they may be written; later changes of the index
                write to them.
            settings: JSON values.
            verify: check everything. Else vectors, edges and codes are not read, which leaves
                mapped ones in their file; a fault in them costs results, and nothing else.

        Raises:
            ValueError: naming the array or setting at fault.
        """
        check_type(cls._type, settings)
        arrays, settings = modern(arrays, settings)
        layout = layout_from(settings)
        try:
            index = cls(
                layout.dim, layout.metric, layout.dtype, max_degree=settings.get("max_degree", 0)
            )
            width = check_width(settings["width"])
        except TypeError as error:
            raise ValueError(f"settings: {error}") from None
        restore(index._native, layout, arrays, settings, verify)
        index._width = width
        return index

    def _perform(self, operation: Operation, threads: int) -> None:
        if operation.kind == "set":
            assert operation.values is not None
            if set(operation.values) != {"width"}:
                raise ValueError(f"unknown settings {sorted(operation.values)}")
            self._width = check_width(operation.values["width"])
        else:
            super()._perform(operation, threads)

    def _snapshot(self) -> tuple[dict[str, npt.NDArray], dict[str, Any]]:
        with self._storage.unchanged():
            if self._native.untidy():
                # As an operation, so that the log of an earlier file has it too.
                self._change(Operation("remove", np.empty(0, np.int64)), usable_threads(None))
            arrays, settings = self._native.state()
        arrays["vectors"], _ = self._rows_from(arrays["vectors"], arrays["ids"])
        base = self._base_settings() | {"max_degree": self._max_degree, "width": self._width}
        return arrays, base | settings
