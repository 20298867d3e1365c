"""The mathematics of docs/high-dimensions.md: closed forms, estimators, and counts."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

KISSING = {1: 2, 2: 6, 3: 12, 4: 24, 8: 240, 24: 196_560}
"""How many unit balls can touch one, where it is known exactly (Conway and Sloane, ch. 1)."""

LEAF = 16
"""Rows of a leaf of the k-d tree, at most."""


def log10_ball_in_cube(n: int) -> float:
    """Log of the share of a cube's volume that its inscribed ball has in ``n`` dimensions.

    The ball of radius 1/2 has ``pi^(n/2) / Gamma(n/2 + 1) / 2^n``, the cube has 1.

    >>> round(10 ** log10_ball_in_cube(2), 4), round(10 ** log10_ball_in_cube(3), 4)
    (0.7854, 0.5236)
    """
    log = n / 2 * math.log(math.pi) - math.lgamma(n / 2 + 1) - n * math.log(2)
    return log / math.log(10)


def centre_ball(n: int) -> float:
    """Radius, in half edges, of the ball between the ``2^n`` balls in the corners of a cube.

    Cut the cube into ``2^n`` smaller ones with a ball inscribed in each: their centres are
    ``sqrt(n) / 2`` half edges from the middle and their radius is 1/2.

    >>> centre_ball(9), centre_ball(4)
    (1.0, 0.5)
    """
    return (math.sqrt(n) - 1) / 2


def empty_radius(n: int, points: int, rng: np.random.Generator) -> float:
    """Distance, in half edges, from a cube's middle to the nearest of so many even points."""
    nearest = math.inf
    for start in range(0, points, 50_000):
        rows = rng.random((min(50_000, points - start), n), np.float32)
        nearest = min(nearest, float((((2 * rows - 1) ** 2).sum(1)).min()))
    return math.sqrt(nearest)


def squared_distances(queries: npt.NDArray, rows: npt.NDArray) -> npt.NDArray[np.float64]:
    """All pairs, in float64: exact for integers."""
    q, r = queries.astype(np.float64), rows.astype(np.float64)
    squares = (q * q).sum(1)[:, None] + (r * r).sum(1) - 2 * q @ r.T
    return np.maximum(squares, 0)


def contrast(distances: npt.NDArray[np.float64]) -> float:
    """Mean distance over mean nearest distance (He, Kumar and Chang, ICML 2012).

    Args:
        distances: not squared, ``(queries, rows)``.
    """
    return float(distances.mean() / distances.min(1).mean())


def intrinsic_dimension(nearest: npt.NDArray[np.float64]) -> float:
    """The estimate of most likelihood from the ``k`` nearest distances of each query.

    Levina and Bickel (NIPS 2004), eq. 8, over queries by MacKay and Ghahramani's correction (2005):
    the mean is taken of the inverses. With ``k - 1`` as the divisor, which is not biased.

    Args:
        nearest: not squared, ``(queries, k)``, rising, above 0.
    """
    logs = np.log(nearest[:, -1:] / nearest[:, :-1])
    return float((nearest.shape[1] - 2) / logs.sum(1).mean())


def occlusion_degree(rows: npt.NDArray, vertex: int) -> int:
    """Edges that the rule of FANNG leaves one vertex when it may see all others (alg. 2).

    From near to far, an edge stays unless a kept shorter one ends nearer to its end.

    >>> occlusion_degree(np.array([[0.0, 0], [1, 0], [2, 0], [0, 3]]), 0)
    2
    """
    own = squared_distances(rows[vertex : vertex + 1], rows)[0]
    order = np.argsort(own, kind="stable")
    order = order[own[order] > 0]
    degree = 0
    while len(order):
        near, order = order[0], order[1:]
        degree += 1
        between = squared_distances(rows[near : near + 1], rows[order])[0]
        order = order[~((own[near] < own[order]) & (between < own[order]))]
    return degree


def tree_share(rows: npt.NDArray[np.float32], queries: npt.NDArray[np.float32]) -> float:
    """Share of the rows that an exact search by a k-d tree must look at, at the least.

    The tree halves the widest axis at its median down to leaves of :data:`LEAF` rows. A leaf must
    be opened if its box, drawn tight around its rows, is nearer than the nearest row.
    """
    boxes, sizes = [], []
    stack = [np.arange(len(rows))]
    while stack:
        held = stack.pop()
        low, high = rows[held].min(0), rows[held].max(0)
        if len(held) <= LEAF:
            boxes.append((low, high))
            sizes.append(len(held))
            continue
        axis = int((high - low).argmax())
        order = held[np.argsort(rows[held, axis], kind="stable")]
        stack += [order[: len(order) // 2], order[len(order) // 2 :]]
    low, high = (np.array(side, np.float64) for side in zip(*boxes, strict=True))
    counts = np.array(sizes)
    opened = 0
    for query in queries.astype(np.float64):
        outside = np.maximum(low - query, 0) + np.maximum(query - high, 0)
        nearest = squared_distances(query[None], rows).min()
        opened += int(counts[(outside**2).sum(1) <= nearest].sum())
    return opened / len(queries) / len(rows)
