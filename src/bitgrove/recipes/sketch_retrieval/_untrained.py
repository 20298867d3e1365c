"""Distances between pictures of lines in which nothing is learnt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from torch import Tensor

from ._arms import Arm

_BLUR = 2.0
"""Pixels; better than 4 on the validation part."""
_CELL, _BINS = 8, 8
"""Pixels of a cell, and directions from 0 to 180 degrees."""


def untrained_distances(arm: Arm, drawings: Tensor, edges: Tensor) -> npt.NDArray[np.float64]:
    """How far photographs are from drawings, ``(drawings, photographs)``: 1 minus the cosine."""
    if arm.kind == "chance":
        return np.zeros((len(drawings), len(edges)))
    describe: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
    describe = _pixels if arm.kind == "pixels" else histograms
    rows = [describe(part[:, 0].numpy()).reshape(len(part), -1) for part in (drawings, edges)]
    a, b = (row / np.maximum(np.linalg.norm(row, axis=1, keepdims=True), 1e-9) for row in rows)
    return 1 - a @ b.T


def _pixels(pictures: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return np.asarray(scipy.ndimage.gaussian_filter(pictures.astype(float), (0, _BLUR, _BLUR)))


def histograms(pictures: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Directions of gradients by cell, every 2x2 cells brought to one length.

    Source: Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005;
    a pixel votes for its own cell alone, and for the two directions beside its own.

    Returns:
        ``(n, cells - 1, cells - 1, 4 * directions)``.
    """
    soft = scipy.ndimage.gaussian_filter(pictures.astype(float), (0, 1, 1))
    down, right = np.gradient(soft, axis=(1, 2))
    place = np.arctan2(down, right) % np.pi / np.pi * _BINS
    low, share = np.floor(place).astype(int), place % 1
    size = np.hypot(down, right)
    votes = np.stack(
        [
            size * ((1 - share) * (low % _BINS == i) + share * ((low + 1) % _BINS == i))
            for i in range(_BINS)
        ],
        -1,
    )
    n, h, w = pictures.shape
    cells = votes.reshape(n, h // _CELL, _CELL, w // _CELL, _CELL, _BINS).sum((2, 4))
    blocks = np.concatenate(
        [cells[:, :-1, :-1], cells[:, :-1, 1:], cells[:, 1:, :-1], cells[:, 1:, 1:]], -1
    )
    return blocks / (np.linalg.norm(blocks, axis=-1, keepdims=True) + 0.1)
