"""Complete trees that compare one channel with a threshold at each node: where a row goes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

CHUNK = 1 << 15
"""Numbers of a temporary array, about: rows go through the trees in chunks that fit a cache."""


def draw_channels(channels: int, trees: int, depth: int, random: np.random.Generator) -> np.ndarray:
    """A random channel for every node, ``int64[trees, 2**depth - 1]``, level after level.

    A node never repeats the channel of one above it, where there are channels enough (``channels``
    at least ``depth``): with one threshold for all, half of what lies below would be out of reach.
    """
    chosen = np.empty((trees, 2**depth - 1), np.int64)
    above = np.empty((trees, 1, 0), np.int64)
    for level in range(depth):
        nodes = 2**level
        free = channels - level if channels >= depth else channels
        drawn = random.integers(0, free, (trees, nodes))
        if channels >= depth:
            taken = np.sort(above, 2)
            for i in range(level):  # the so-many-th of the channels that are left
                drawn += drawn >= taken[:, :, i]
        chosen[:, nodes - 1 : 2 * nodes - 1] = drawn
        path = np.concatenate([above, drawn[:, :, None]], 2)
        above = np.repeat(path, 2, axis=1)
    return chosen


def quantile_thresholds(
    rows: np.ndarray, feature: np.ndarray, random: np.random.Generator, weights: np.ndarray | None
) -> np.ndarray:
    """For every node a random quantile of its channel: a number halfway between two of the rows.

    A row counts by its weight. The same numbers come for a row of weight 2 and for two rows.
    """
    thresholds = np.zeros(feature.shape, np.float32)
    level = random.uniform(size=feature.shape)
    counted = np.ones(len(rows)) if weights is None else weights
    rows, counted = rows[counted > 0], counted[counted > 0]
    for channel in np.unique(feature):
        nodes = feature == channel
        values, place = np.unique(rows[:, channel], return_inverse=True)
        if len(values) == 1:
            thresholds[nodes] = values[0]
            continue
        below = np.cumsum(np.bincount(place.ravel(), counted))[:-1]
        cut = np.searchsorted(below, level[nodes] * below[-1], side="left")
        low, high = values[cut].astype(np.float64), values[cut + 1].astype(np.float64)
        middle = (low + (high - low) / 2).astype(np.float32)
        # Rounding may take the middle to the upper value, which must stay above it.
        thresholds[nodes] = np.where(middle < values[cut + 1], middle, values[cut])
    return thresholds


def walk(rows: Tensor, feature: Tensor, threshold: Tensor, node: Tensor, steps: int) -> Tensor:
    """Go ``steps`` levels down from ``node``, ``int64[m, trees]``; right where above the threshold.

    Nodes of a tree are numbered level after level: below ``i`` are ``2 i + 1`` and ``2 i + 2``.
    """
    trees, inner = feature.shape
    first = torch.arange(trees, device=node.device) * inner
    flat_feature, flat_threshold = feature.reshape(-1), threshold.reshape(-1)
    node = node.clone()
    for _ in range(steps):
        at = node + first
        right = rows.gather(1, pick(flat_feature, at)) > pick(flat_threshold, at)
        node.mul_(2).add_(1).add_(right)
    return node


def pick(table: Tensor, at: Tensor) -> Tensor:
    """``table[at]`` for a table of numbers or rows, faster than by an index."""
    return table.index_select(0, at.reshape(-1)).reshape(*at.shape, *table.shape[1:])


def leaves(rows: Tensor, feature: Tensor, threshold: Tensor, depth: int) -> Tensor:
    """The leaf of every row in every tree, ``int32[m, trees]``, 0 to ``2**depth - 1``."""
    trees = len(feature)
    found = torch.empty((len(rows), trees), dtype=torch.int32, device=rows.device)
    for part, target in zip(chunks(rows, trees), chunks(found, trees), strict=True):
        start = torch.zeros((len(part), trees), dtype=torch.int64, device=rows.device)
        target.copy_(walk(part, feature, threshold, start, depth) - (2**depth - 1))
    return found


def chunks(rows: Tensor, width: int) -> tuple[Tensor, ...]:
    """Parts of the rows, so that as many rows of ``width`` numbers stay below :data:`CHUNK`."""
    return rows.split(max(CHUNK // max(width, 1), 1))
