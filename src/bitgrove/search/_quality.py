"""How much of what is nearest a search finds, and how wide it must be to find enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ._index import usable_threads
from ._layout import Array, as_bytes, positive_int

if TYPE_CHECKING:
    from ._fanng import Fanng

_NO_LIMIT = 0
_IN_TURNS = 1


class Trial:
    """Queries whose nearest rows are known by comparing all.

    Args:
        index: must not change while the trial is used.
        queries: like those of a search; None for a sample of the rows, each without itself.
        k: rows wanted for each.
        sample: rows that are sampled, at most.
        seed: of the sample.
        threads: None for one for each CPU.

    Raises:
        TypeError: queries of another dtype.
        ValueError: none, or queries that the index refuses.
        RuntimeError: the index has rows and no graph.
    """

    def __init__(
        self,
        index: Fanng,
        queries: Array | None,
        k: int,
        sample: int,
        seed: int,
        threads: int | None,
    ) -> None:
        self._native, self._k = index._native, positive_int("k", k)
        self._threads = usable_threads(threads)
        self._own: npt.NDArray[np.int64] | None = None
        if queries is None:
            count = min(positive_int("sample", sample), len(index))
            chosen = np.sort(np.random.default_rng(seed).choice(len(index), count, replace=False))
            self._own, self._rows = index.ids[chosen], as_bytes(index.vectors[chosen])
        else:
            rows = index._layout.check("queries", queries)
            if len(rows) == 0:
                raise ValueError("queries must be at least one, got none")
            self._rows = as_bytes(index._layout.held("queries", rows))
        self._larger_is_nearer = index.metric in ("ip", "cosine")
        exact, ids = self._room()
        self._native.search_all(self._rows, exact.shape[1], self._threads, exact, ids)
        exact, ids = self._without_own(exact, ids)
        self._wanted = (ids >= 0).sum(1)
        last = np.maximum(self._wanted, 1) - 1
        self._bound = np.take_along_axis(exact, last[:, None], axis=1)

    @property
    def wanted(self) -> int:
        """Results of all queries together that a perfect search finds."""
        return int(self._wanted.sum())

    def recall(self, width: int) -> float:
        """Of a search of this width."""
        distances, ids = self._room()
        columns = distances.shape[1]
        self._native.search(
            self._rows,
            columns,
            width,
            _NO_LIMIT,
            _NO_LIMIT,
            None,
            None,
            None,
            _IN_TURNS,
            self._threads,
            distances,
            ids,
        )
        distances, ids = self._without_own(distances, ids)
        near = distances >= self._bound if self._larger_is_nearer else distances <= self._bound
        found = (near & (ids >= 0)).sum(1)
        found = np.minimum(found, self._wanted).sum()
        return float(found / self.wanted) if self.wanted else 1.0

    def _room(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        shape = (len(self._rows), self._k + (self._own is not None))
        return np.empty(shape, np.float32), np.empty(shape, np.int64)

    def _without_own(
        self, distances: npt.NDArray[np.float32], ids: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """The first k that are not the query itself."""
        if self._own is None:
            return distances, ids
        others = np.argsort(ids == self._own[:, None], axis=1, kind="stable")[:, : self._k]
        return np.take_along_axis(distances, others, 1), np.take_along_axis(ids, others, 1)


def least_width(trial: Trial, recall: float, k: int, most: int) -> int:
    """The least width, of those that grow by an eighth from ``k`` on, that reaches the recall.

    Raises:
        RuntimeError: none up to ``most`` does.
    """
    widths = [max(1, min(k, most))]
    while widths[-1] < most:
        widths.append(min(most, widths[-1] + max(1, widths[-1] // 8)))
    low, high = 0, len(widths) - 1
    # Wide searches take long: the first that is wide enough is sought from the narrow end.
    step = 4
    while low + step < high:
        if trial.recall(widths[low + step]) >= recall:
            high = low + step
            break
        low, step = low + step + 1, step * 2
    else:
        best = trial.recall(widths[high])
        if best < recall:
            raise RuntimeError(
                f"a search of width {widths[high]} has a recall of {best:.4f}, below {recall}; "
                "build with a larger max_degree or width"
            )
    while low < high:
        middle = (low + high) // 2
        if trial.recall(widths[middle]) >= recall:
            high = middle
        else:
            low = middle + 1
    return widths[high]
