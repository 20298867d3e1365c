"""K-means whose rows find their centres on a graph of the centres."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Self, final

import numpy as np
import numpy.typing as npt

from ..interfaces import Neighbours, describe
from ..kernels import squared_l2_distances
from ._fanng import Fanng
from ._flat import Flat
from ._index import usable_threads
from ._kmeans_start import drawn_evenly, drawn_far_apart
from ._kmeans_sums import Sums
from ._layout import positive_int
from ._stream import Rows, Source, as_float32

Progress = Callable[[int, int, str], object]

_COLD = 2
"""A walk that starts anywhere keeps this many times the candidates of one that starts near."""

_BUILD_WIDTH = 48
"""Half of what an index takes by default: a graph that is used once. Assignments are as good, for
20,000 and 100,000 centres of SIFT descriptors, and it takes a third less time."""


class Iteration(NamedTuple):
    """What one iteration of :class:`KMeans` came to."""

    objective: float
    """Sum of the squared distances of all rows to the centres that they were given."""
    recall: float
    """Share of the sampled rows that were given their nearest centre; NaN without a sample."""
    empty: int
    """Clusters that got no row; unless it is the last iteration they split others."""
    seconds: float
    """Time of building the index and of the assignment."""
    build_seconds: float
    """The part of it that built the index."""


@final
class KMeans:
    """K-means for many clusters: rows find their centres by a FANNG graph of the centres.

    An iteration builds the graph of the centres, walks every row from the centre that it had
    before, to the nearest that the walk finds, and moves every centre to the mean of its rows. The
    data are read in blocks, once an iteration, and need not fit in memory: there are twelve bytes
    for each row, and about 30 for each element of a centre.

    A cluster without rows takes a part of the cluster of largest error (of several: one each, by
    falling error): its centre moves to a sixteenth of the way from that cluster's mean to its
    farthest row. The other centres stay, so the objective falls as in Lloyd's algorithm. The
    centres, labels and objective kept are always of one assignment: ``labels_`` are what the rows
    got when ``cluster_centers_`` were the centres.

    Source: Lloyd, "Least Squares Quantization in PCM", IEEE Trans. Information Theory 1982.
    Searches seeded by the last assignment: Spalding-Jamieson et al., arXiv 2502.06163 (2025), who
    also search on a graph of the centres; here the graph is built anew in every iteration, and is
    FANNG's. Deng and Zhao, arXiv 1705.01813 (2017), compare a row with the centres of its
    neighbours in a graph of all rows instead, which needs that graph.

    Args:
        n_clusters: at least 1.
        init: ``"random"`` rows, ``"k-means++"`` rows far apart (eight passes over the data, see
            :func:`bitgrove.search._kmeans_start.drawn_far_apart`), or the centres themselves,
            ``float32[n_clusters, dim]``: an earlier run goes on from its ``cluster_centers_``.
        index: ``"fanng"``, or ``"flat"`` to compare every row with every centre.
        max_iter: most iterations, at least 1.
        tol: stop when an iteration improves the objective by no more than this part of it, and
            no cluster was split before it.
        width: candidates that a walk from the last centre keeps, see :meth:`Fanng.search`; walks
            of the first iteration and of :meth:`predict` know no centre and keep twice as many.
        recall_sample: rows, drawn by the seed, for which every iteration also finds the nearest
            centre exactly, to report the recall; 0 for none.
        threads: None for one for each CPU; the result does not depend on it.
        seed: of the first centres, the sample and the graph, 0 to 2^64 - 1.

    Attributes:
        cluster_centers_: ``float32[n_clusters, dim]``.
        labels_: ``int64[n]``, the cluster of every row.
        inertia_: the objective: the sum of squared distances to the centres.
        n_iter_: iterations done.
        history_: an :class:`Iteration` for each.
        index_: the index of ``cluster_centers_``; an id is the number of a cluster.

    >>> X = np.array([[0, 0], [0, 1], [9, 8], [9, 9]], np.float32)
    >>> found = KMeans(2, seed=1).fit(X)
    >>> np.sort(found.cluster_centers_, axis=0)
    array([[0. , 0.5],
           [9. , 8.5]], dtype=float32)
    >>> found.inertia_
    1.0
    """

    cluster_centers_: npt.NDArray[np.float32]
    labels_: npt.NDArray[np.int64]
    inertia_: float
    n_iter_: int
    history_: list[Iteration]
    index_: Fanng | Flat

    def __init__(
        self,
        n_clusters: int,
        *,
        init: str | npt.NDArray[np.float32] = "random",
        index: str = "fanng",
        max_iter: int = 20,
        tol: float = 1e-4,
        width: int = 16,
        recall_sample: int = 1000,
        threads: int | None = None,
        seed: int = 0,
    ) -> None:
        self.n_clusters = positive_int("n_clusters", n_clusters)
        self.init = init
        self.index = index
        self.max_iter = positive_int("max_iter", max_iter)
        self.tol = tol
        self.width = positive_int("width", width)
        self.recall_sample = recall_sample
        self.threads = None if threads is None else positive_int("threads", threads)
        self.seed = seed
        self._check()

    def fit(self, X: Source, y: object = None, *, progress: Progress | None = None) -> Self:
        """Find the centres.

        Args:
            X: ``uint8`` or ``float32`` of shape ``(n, dim)``, at least ``n_clusters`` rows; an
                array, a memory map, or the path of a ``.npy`` file, which is mapped. Finite.
            y: must be None; there so that pipelines can call it.
            progress: called as ``progress(rows done, rows, stage)`` after each block of rows. An
                exception from it stops the fit.

        Raises:
            TypeError: X or the given centres are of another kind. Nothing is converted.
            ValueError: X or the given centres are of another shape or hold NaN or infinity, or
                there are fewer rows than clusters.
            KeyboardInterrupt: Ctrl-C. As after any exception, the attributes are those of the last
                iteration that ended; go on with ``init=cluster_centers_``.
        """
        if y is not None:
            raise ValueError(f"KMeans takes no y, got {describe(y)}; leave it out")
        rows = Rows("X", X)
        if len(rows) < self.n_clusters:
            raise ValueError(
                f"{self.n_clusters} clusters need at least as many rows, X has {len(rows)}"
            )
        for_start, for_sample = np.random.default_rng(self.seed).spawn(2)
        centres = self._first_centres(rows, for_start, progress)
        sample = drawn_evenly(rows, min(self.recall_sample, len(rows)), for_sample)
        exactly = rows.take(sample)

        labels, history, split = None, [], 0
        while True:
            began = time.perf_counter()
            index = self._index_of(centres)
            built = time.perf_counter() - began
            stage = f"iteration {len(history) + 1} of {self.max_iter}"
            sums = Sums(self.n_clusters, rows.dim)
            labels, distances = self._assign(rows, index, labels, stage, progress, sums)
            seconds = time.perf_counter() - began
            recall = self._recall(index, exactly, distances[sample])
            now = Iteration(sums.objective, recall, len(sums.empty), seconds, built)
            better = history[-1].objective - now.objective if history else np.inf
            history.append(now)
            self._keep(centres, labels, index, history)
            if len(history) == self.max_iter or (not split and better <= self.tol * now.objective):
                return self
            centres = sums.means(centres)
            split = sums.split(centres, rows, labels, distances)

    def fit_predict(self, X: Source, y: object = None) -> npt.NDArray[np.int64]:
        """:meth:`fit`, and the cluster of every row."""
        return self.fit(X, y).labels_

    def predict(self, X: Source) -> npt.NDArray[np.int64]:
        """The cluster of every row of ``X``, ``int64[n]``; as :meth:`fit` takes them.

        Raises:
            RuntimeError: there are no centres yet.
        """
        rows, index = self._fitted(X)
        return self._assign(rows, index, None, "predict", None)[0]

    def score(self, X: Source, y: object = None) -> float:
        """Minus the sum of the squared distances of the rows of ``X`` to their centres."""
        rows, index = self._fitted(X)
        return -float(self._assign(rows, index, None, "score", None)[1].sum(dtype=np.float64))

    def transform(self, X: Source) -> npt.NDArray[np.float32]:
        """Distance (not squared) of every row to every centre, ``float32[n, n_clusters]``."""
        rows, _ = self._fitted(X)
        out = np.empty((len(rows), self.n_clusters), np.float32)
        for here, block in rows.blocks():
            np.sqrt(squared_l2_distances(as_float32(block), self.cluster_centers_), out=out[here])
        return out

    def _first_centres(
        self, rows: Rows, random: np.random.Generator, progress: Progress | None
    ) -> npt.NDArray[np.float32]:
        if isinstance(self.init, np.ndarray):
            given = Rows("init", self.init)
            if self.init.dtype != np.float32 or self.init.shape != (self.n_clusters, rows.dim):
                raise ValueError(
                    f"init must hold {self.n_clusters} centres of {rows.dim} elements as float32, "
                    f"got {describe(self.init)}"
                )
            return given.take(np.arange(self.n_clusters))
        if self.init == "random":
            return rows.take(drawn_evenly(rows, self.n_clusters, random))

        def distances_to(centres: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            return self._assign(rows, self._index_of(centres), None, "k-means++", progress)[1]

        return rows.take(drawn_far_apart(rows, self.n_clusters, random, distances_to))

    def _index_of(self, centres: npt.NDArray[np.float32]) -> Fanng | Flat:
        index = (Fanng if self.index == "fanng" else Flat)(centres.shape[1])
        index.add(centres)
        if isinstance(index, Fanng):
            index.build(self.threads, self.seed, width=_BUILD_WIDTH)
        return index

    def _assign(
        self,
        rows: Rows,
        index: Fanng | Flat,
        before: npt.NDArray[np.int64] | None,
        stage: str,
        progress: Progress | None,
        sums: Sums | None = None,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The centre of every row and the squared distance to it; ``sums`` counts the rows in."""
        labels = np.empty(len(rows), np.int64)
        distances = np.empty(len(rows), np.float32)
        for here, block in rows.blocks():
            starts = None if before is None else before[here]
            near = self._nearest(index, as_float32(block), starts)
            labels[here], distances[here] = near.ids[:, 0], near.distances[:, 0]
            if sums is not None:
                sums.add(block, labels[here], distances[here], usable_threads(self.threads))
            if progress is not None:
                progress(here.stop, len(rows), stage)
        return labels, distances

    def _nearest(
        self,
        index: Fanng | Flat,
        queries: npt.NDArray[np.float32],
        starts: npt.NDArray[np.int64] | None,
    ) -> Neighbours:
        """The nearest centre of each; walks on a graph begin at ``starts``."""
        if isinstance(index, Flat):
            return index.search(queries, 1, threads=self.threads)
        width = self.width if starts is not None else _COLD * self.width
        return index.search(queries, 1, width=width, starts=starts, threads=self.threads)

    def _recall(
        self,
        index: Fanng | Flat,
        sample: npt.NDArray[np.float32],
        distances: npt.NDArray[np.float32],
    ) -> float:
        """The share of these rows whose distance is that to their nearest centre."""
        if not len(sample):
            return float("nan")
        if isinstance(index, Flat):
            return 1.0
        exact = Flat(index.dim)
        exact.add(index.vectors)
        nearest = exact.search(sample, 1, threads=self.threads).distances[:, 0]
        return float((distances <= nearest).mean())

    def _keep(
        self,
        centres: npt.NDArray[np.float32],
        labels: npt.NDArray[np.int64],
        index: Fanng | Flat,
        history: list[Iteration],
    ) -> None:
        """All attributes, of one assignment."""
        self.cluster_centers_, self.labels_, self.index_ = centres, labels, index
        self.inertia_, self.n_iter_ = history[-1].objective, len(history)
        self.history_ = list(history)

    def _fitted(self, X: Source) -> tuple[Rows, Fanng | Flat]:
        if not hasattr(self, "index_"):
            raise RuntimeError("KMeans has no centres yet; call fit() first")
        rows = Rows("X", X)
        if rows.dim != self.index_.dim:
            raise ValueError(f"X must have {self.index_.dim} columns as at fit, got {rows.dim}")
        return rows, self.index_

    def _check(self) -> None:
        if not isinstance(self.init, np.ndarray) and self.init not in ("random", "k-means++"):
            raise ValueError(
                f"init must be 'random', 'k-means++' or an array of centres, got {self.init!r}"
            )
        if self.index not in ("fanng", "flat"):
            raise ValueError(f"index must be 'fanng' or 'flat', got {self.index!r}")
        if not (isinstance(self.tol, int | float) and 0 <= self.tol < 1):
            raise ValueError(f"tol must be a number in 0 .. 1, got {self.tol!r}")
        if not 0 <= _whole("seed", self.seed) < 1 << 64:
            raise ValueError(f"seed must be in 0 ..= 2^64 - 1, got {self.seed}")
        if _whole("recall_sample", self.recall_sample) < 0:
            raise ValueError(f"recall_sample must not be negative, got {self.recall_sample}")


def _whole(name: str, value: object) -> int:
    """An int, numpy's too.

    Raises:
        TypeError: another type; a bool is none.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an int, got {describe(value)}")
    return int(value)
