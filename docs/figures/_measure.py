"""What docs/high-dimensions.md shows and no formula gives: minutes of work, kept as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _space import (
    contrast,
    empty_radius,
    intrinsic_dimension,
    occlusion_degree,
    squared_distances,
    tree_share,
)

from bitgrove.search import Fanng

POINTS = 1_000_000
"""Even points around the middle of the cube."""

ROWS, QUERIES, VERTICES = 50_000, 200, 100
"""Of the sets on which degrees are counted and searches are run."""

CUBES = (2, 4, 8, 12, 16, 24, 32, 64, 128)
RECALL = 0.95


def measure(sift: Path) -> dict[str, Any]:
    """Everything, from a folder with ``base.npy``, ``query.npy`` and ``gt_dist.npy``."""
    base = np.load(sift / "base.npy", mmap_mode="r")
    chosen = np.sort(np.random.default_rng(0).choice(len(base), ROWS, replace=False))
    rows = np.ascontiguousarray(base[chosen]).astype(np.float32)
    queries = np.load(sift / "query.npy")[:: 10_000 // QUERIES].astype(np.float32)
    sets = {f"cube {n}": _cube(n) for n in CUBES}
    sets["sift"] = rows, queries[:QUERIES]
    result: dict[str, Any] = {
        "protocol": {
            "points": POINTS,
            "rows": ROWS,
            "queries": QUERIES,
            "vertices": VERTICES,
            "recall": RECALL,
        },
        "empty_radius": {
            str(n): empty_radius(n, POINTS, np.random.default_rng(n))
            for n in (6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
        },
        "sift_dimension": _sift_dimensions(np.load(sift / "gt_dist.npy"), sift),
        "sets": {},
    }
    for name, (held, asked) in sets.items():
        result["sets"][name] = _of_set(held, asked)
        print(name, {k: v for k, v in result["sets"][name].items() if k != "histogram"}, flush=True)
    return result


def _cube(n: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    rng = np.random.default_rng([1, n])
    return rng.random((ROWS, n), np.float32), rng.random((QUERIES, n), np.float32)


def _of_set(
    rows: npt.NDArray[np.float32], queries: npt.NDArray[np.float32]
) -> dict[str, float | list[float]]:
    distances = np.sqrt(squared_distances(queries, rows))
    near = np.sort(np.partition(distances, 20, axis=1)[:, :20], axis=1)
    vertices = np.random.default_rng(2).choice(len(rows), VERTICES, replace=False)
    degrees = [occlusion_degree(rows, int(vertex)) for vertex in vertices]
    counts, _ = np.histogram(distances / distances.mean(), HISTOGRAM, density=True)
    return {
        "contrast": contrast(distances),
        "histogram": [round(float(count), 4) for count in counts],
        "dimension": intrinsic_dimension(near),
        "degree": float(np.mean(degrees)),
        "most_degree": float(np.max(degrees)),
        "tree_share": tree_share(rows, queries),
        "graph_share": _graph_share(rows, queries, distances.argmin(1)),
    }


HISTOGRAM = np.linspace(0, 2.5, 126)


def _graph_share(
    rows: npt.NDArray[np.float32], queries: npt.NDArray[np.float32], nearest: npt.NDArray[np.int64]
) -> float:
    """Distances a query, as a share of the rows, at the least width that reaches the recall."""
    index = Fanng(rows.shape[1])
    index.add(rows)
    index.build(threads=1, seed=0)
    width = 1
    while True:
        before = index.distances_computed
        found = index.search(queries, 1, width=width, threads=1).ids[:, 0]
        computed = (index.distances_computed - before) / len(queries)
        if (found == nearest).mean() >= RECALL or width >= len(rows):
            return computed / len(rows)
        width = max(width + 1, int(1.15 * width))


def _sift_dimensions(squared: npt.NDArray[np.int32], sift: Path) -> dict[str, Any]:
    """By neighbours within one set, and by how nearest distances shrink as the set grows."""
    distances = np.sqrt(squared.astype(np.float64))
    by_k = {str(k): intrinsic_dimension(distances[:, :k]) for k in (5, 10, 20, 50, 100)}
    own = _own_neighbours(np.load(sift / "base.npy", mmap_mode="r"), 100)
    within = {str(k): intrinsic_dimension(own[:, :k]) for k in (5, 10, 20, 50, 100)}
    ids = np.load(sift / "groundtruth.npy")
    # A random half, quarter, ... of the base: its nearest are among the hundred of the whole.
    draw = np.random.default_rng(3).random(1_000_000)[ids]
    growth = {}
    for halvings in range(5):
        kept = draw < 0.5**halvings
        has = kept.any(1)
        first = kept.argmax(1)
        nearest = distances[np.arange(len(ids)), first][has]
        growth[str(round(1_000_000 * 0.5**halvings))] = [float(nearest.mean()), float(has.mean())]
    return {"by_neighbours": by_k, "within_base": within, "mean_nearest_by_rows": growth}


def _own_neighbours(base: npt.NDArray[np.uint8], k: int) -> npt.NDArray[np.float64]:
    """Distances from 500 rows to their nearest others."""
    chosen = np.sort(np.random.default_rng(4).choice(len(base), 500, replace=False))
    nearest = np.empty((500, 0))
    for start in range(0, len(base), 50_000):
        found = squared_distances(base[chosen], base[start : start + 50_000])
        part = np.partition(found, k, axis=1)[:, : k + 1]
        nearest = np.sort(np.concatenate([nearest, part], 1), 1)[:, : k + 1]
    return np.sqrt(nearest[:, 1:])
