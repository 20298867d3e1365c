"""Fewer thresholds for each feature, so that they fit bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def node_depths(
    children: npt.NDArray[np.int32], root: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """How many nodes are above each.

    >>> node_depths(np.int32([[-1, 1], [-2, -3]]), np.int32([0])).tolist()
    [0, 1]
    """
    depths = np.zeros(len(children), np.int64)
    level, depth = root[root >= 0], 0
    while len(level):
        depths[level] = depth
        below = children[level].ravel()
        level, depth = below[below >= 0], depth + 1
    return depths


def merged_thresholds(
    feature: npt.NDArray[np.int32],
    threshold: npt.NDArray[np.float32],
    children: npt.NDArray[np.int32],
    root: npt.NDArray[np.int32],
    most: int,
) -> npt.NDArray[np.float32]:
    """The thresholds with at most ``most`` different ones for each feature.

    >>> leaf = [-1, -1]
    >>> merged_thresholds(np.int32([0, 0, 0]), np.float32([1, 2, 9]),
    ...     np.int32([leaf] * 3), np.int32([0, 1, 2]), 1)
    array([2., 2., 2.], dtype=float32)
    """
    weight = 0.5 ** np.minimum(node_depths(children, root), 60)
    merged = threshold.copy()
    for number in np.unique(feature):
        nodes = np.flatnonzero(feature == number)
        values, which = np.unique(threshold[nodes], return_inverse=True)
        if len(values) <= most:
            continue
        mass = np.bincount(which, weight[nodes])
        middle = np.cumsum(mass) - mass / 2
        group = np.minimum((middle / mass.sum() * most).astype(np.int64), most - 1)
        chosen = values.copy()
        for part in np.split(np.arange(len(values)), np.flatnonzero(np.diff(group)) + 1):
            sums = np.cumsum(mass[part])
            chosen[part] = values[part[np.searchsorted(sums, sums[-1] / 2)]]
        merged[nodes] = chosen[which]
    return merged
