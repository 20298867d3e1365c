"""Table 1 of FANNG's paper: what the naive walk finds on ideal graphs of rising tau (eq. 3).

By numpy alone and by the definitions (algorithms 1 and 2), so that no degree limit, no refinement
and no index takes part. Lists are made for the rows that walks visit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SHARES = (0.0, 0.05, 0.1, 0.2)
"""Of the largest tau. Our queries are from other photographs than our rows, and one far from all
rows makes the largest tau large: at 0.38 a row already has 1,700 edges of 10,000."""

PUBLISHED = [
    {"share": 0.0, "recall": 0.7098, "distances": 110.5, "degree": 24.3},
    {"share": 0.38, "recall": 0.9984, "distances": 360, "degree": 127.5},
    {"share": 0.50, "recall": 0.9999, "distances": 548, "degree": 232},
    {"share": 0.75, "recall": 1.0, "distances": 1315, "degree": 754},
    {"share": 1.0, "recall": 1.0, "distances": 3123, "degree": 2183},
]
"""Table 1, 100,000 descriptors: greedy search without backtracking."""


@dataclass
class IdealGraph:
    """The edges that eq. 3 leaves, made row by row when asked for."""

    squared: npt.NDArray[np.float32]
    """All squared distances between rows."""
    tau: float

    def __post_init__(self) -> None:
        self._lists: dict[int, npt.NDArray[np.intp]] = {}

    def edges(self, row: int) -> npt.NDArray[np.intp]:
        """Ends of the edges of a row, shortest first (algorithm 2)."""
        if row not in self._lists:
            length = self.squared[row]
            left = np.argsort(length, kind="stable")
            left = left[left != row]
            kept = []
            while len(left):
                end, left = left[0], left[1:]
                kept.append(end)
                shift = 2 * self.tau * np.sqrt(length[end])
                left = left[self.squared[end, left] + shift >= length[left]]
            self._lists[row] = np.array(kept)
        return self._lists[row]

    def walk(self, start: int, to_query: npt.NDArray[np.float32]) -> tuple[int, int]:
        """Algorithm 1: where it ends, and how many distances it computes."""
        here, computed = start, 1
        while True:
            ends = self.edges(here)
            closer = to_query[ends] < to_query[here]
            if not closer.any():
                return here, computed + len(ends)
            step = int(closer.argmax())
            here, computed = int(ends[step]), computed + step + 1


def ladder(
    rows: npt.NDArray[np.uint8], queries: npt.NDArray[np.uint8], sample: int = 200
) -> dict[str, object]:
    """Recall, distances per query and mean degree for a few taus.

    The largest tau is the largest distance of a query to its nearest row: with it, as eq. 3
    promises, every query must find its own. The mean degree is that of ``sample`` rows.
    """
    squared = _squared(rows, rows)
    to_queries = _squared(queries, rows)
    nearest = to_queries.min(axis=1)
    largest = float(np.sqrt(nearest.max())) * (1 + 1e-6)
    mean = rows.mean(axis=0, dtype=np.float64)
    start = int(((rows - mean) ** 2).sum(axis=1).argmin())
    steps = []
    for share in SHARES:
        graph = IdealGraph(squared, share * largest)
        ends = [graph.walk(start, to_query) for to_query in to_queries]
        found = to_queries[np.arange(len(queries)), [end for end, _ in ends]]
        steps.append(
            {
                "share": share,
                "recall": round(float((found == nearest).mean()), 4),
                "distances": round(float(np.mean([computed for _, computed in ends])), 1),
                "degree": round(float(np.mean([len(graph.edges(r)) for r in range(sample)])), 1),
            }
        )
        print("tau", steps[-1], flush=True)
    return {
        "what": "naive walk from the central row on the ideal graph; share: of the largest tau",
        "rows": len(rows),
        "queries": len(queries),
        "largest_tau": round(largest, 2),
        "median_nearest": round(float(np.median(np.sqrt(nearest))), 2),
        "ours": steps,
        "paper_100k": PUBLISHED,
    }


def _squared(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """All squared distances; exact, because every sum is an integer below 2^24."""
    x, y = a.astype(np.float32), b.astype(np.float32)
    found = x @ y.T
    found *= -2
    found += np.einsum("ij,ij->i", x, x)[:, None]
    found += np.einsum("ij,ij->i", y, y)[None]
    return found
