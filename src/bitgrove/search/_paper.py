"""The graph as the paper of FANNG builds and searches it."""

from __future__ import annotations

from .. import _core
from ..interfaces import Neighbours
from ._asked import (
    Progress,
    check_budget,
    check_flag,
    check_number,
    check_progress,
    check_seed,
    check_starts,
)
from ._index import RowIndex, usable_threads
from ._layout import Array, Layout, positive_int


class PaperGraph(RowIndex[_core.FanngIndex]):
    """Rows and their graph; ``Fanng`` adds the fast construction and search.

    Source: Harwood and Drummond, "FANNG: Fast Approximate Nearest Neighbour Graphs", CVPR 2016.
    """

    def __init__(self, layout: Layout, max_degree: int) -> None:
        self._max_degree = positive_int("max_degree", max_degree)
        if not 4 <= self._max_degree <= 1024:
            raise ValueError(f"max_degree must be in 4 ..= 1024, got {max_degree}")
        native = _core.FanngIndex(layout.dim, layout.metric, layout.held_dtype, self._max_degree)
        super().__init__(layout, native)

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

    def build_by_traversal(
        self,
        threads: int | None = None,
        seed: int = 0,
        progress: Progress | None = None,
        *,
        success: float = 0.90,
        tau: float = 0.0,
        refine: bool = True,
    ) -> None:
        """Build the graph as the paper does; an earlier graph is replaced.

        Traverse-add on random pairs of rows (alg. 4) until naive walks succeed often enough, then
        the refinement (sec. 3.6) under the degree limit (sec. 3.7). Distances are exact. Takes some
        ten times as long as :meth:`build`. Differences: ties are broken by row number; the pairs of
        a block walk side by side on the graph as it was, and what follows from an edge added is
        tried in generations, not one by one; each row is refined from a thousand rows seen; and a
        part (an eighth) of the degree limit is kept for links that make sure that every row is
        found when it is its own query.

        Args:
            threads: by default one for each CPU; the graph does not depend on it.
            seed: of the random pairs, 0 to 2^64 - 1.
            progress: as for :meth:`build`.
            success: rate of naive downhill walks that must succeed before the refinement; the
                paper uses 0.90, its successor 0.98. There are at most 50 walks for each row.
            tau: a Euclidean distance, not squared, for the metric ``l2`` only (eq. 3): an edge is
                occluded only if that still holds for every point nearer to its end than this. On a
                graph with all such edges the naive walk finds the nearest row of any query nearer
                to it than ``tau``. Edges grow many times more: raise ``max_degree`` with it. Rows
                of the other metrics have no such balls; for ``cosine``, add unit vectors as ``l2``.
            refine: or keep the shortest edges of each row that the walks left; the graph is built
                in half the time, and searches need more distances.

        Raises:
            ValueError: a ``tau`` above 0 with another metric than ``l2``.
            KeyboardInterrupt: Ctrl-C; the index is as it was.
        """
        success, tau = check_number("success", success), check_number("tau", tau)
        refine = check_flag("refine", refine)
        if not 0.0 <= success <= 1.0:
            raise ValueError(f"success must be in 0 ..= 1, got {success}")
        if not 0.0 <= tau < float("inf"):
            raise ValueError(f"tau must be a finite distance of at least 0, got {tau}")
        if tau > 0 and self.metric != "l2":
            raise ValueError(
                f"tau is a Euclidean distance: it needs the metric l2, this index has {self.metric}"
            )
        seed = check_seed(seed)
        with self._storage.changing(None):
            self._native.build_by_traversal(
                usable_threads(threads),
                seed,
                success,
                tau,
                refine,
                check_progress(progress),
            )

    def search_by_backtracking(
        self,
        queries: Array,
        k: int,
        *,
        budget: int,
        degree: int | None = None,
        starts: Array | None = None,
        threads: int | None = None,
    ) -> Neighbours:
        """Find the ``k`` nearest rows of every query as the paper does (alg. 3).

        One edge at a time, of the vertex nearest to the query that has edges left, shortest first;
        every distance is exact, and their number is the only limit.

        Args:
            queries: shape ``(q, dim)``, like the vectors of :meth:`add`.
            k: at least 1.
            budget: most distances computed for one query, at least ``k``; ``len(index)`` makes the
                search exact.
            degree: edges of a vertex that are followed, the shortest; by default all (sec. 3.7).
            starts: as for :meth:`search`; by default the row nearest to the mass centre.
            threads: by default one for each CPU; the result does not depend on it.

        Returns:
            As :meth:`search`.

        Raises:
            TypeError: as for :meth:`add`.
            ValueError: as for :meth:`add`; or a budget below ``k``; an id that is not held.
            RuntimeError: there are rows and no graph yet; call :meth:`build`.
        """
        k = positive_int("k", k)
        distances, _ = check_budget(positive_int("budget", budget), k)
        most = self._max_degree
        if degree is not None:
            most = min(most, positive_int("degree", degree))
        rows, threads, result = self._prepare(queries, k, threads)
        from_ids = check_starts(starts, len(rows))
        self._native.backtrack(
            rows, k, distances, most, from_ids, threads, result.distances, result.ids
        )
        return result
