"""Drawings and edges of photographs as small grey pictures of lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage

SIDE = 64
"""Pixels of a small picture."""
_BLOCK = 5
"""Pixels of the photograph along a pixel of the small picture."""
_SMOOTHING = 2.0
"""Standard deviation in pixels, before the gradient."""
_STRONG = 98.0
"""Percentile of the edges of a photograph that counts as a full line."""


def middle(pictures: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The middle of pictures ``(..., h, w)``, 320x320: whether they lie or stand is gone."""
    side = SIDE * _BLOCK
    top, left = ((length - side) // 2 for length in pictures.shape[-2:])
    return pictures[..., top : top + side, left : left + side]


def shrink(pictures: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Means of blocks of 5x5 pixels, ``(n, 320, 320)`` to ``float32[n, 64, 64]``."""
    blocks = pictures.reshape(len(pictures), SIDE, _BLOCK, SIDE, _BLOCK)
    return blocks.mean((2, 4), dtype=np.float32)


def lines(drawn: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Lines a pixel wide, smaller: 1 where a full one passes through a block, never more."""
    return np.minimum(shrink(drawn) * _BLOCK, 1)


def edges(colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Where a photograph ``(3, h, w)`` changes most, ``float32[h, w]`` in 0 to 1.

    The gradient of the colour that changes most, after smoothing; kept where it is the largest
    along its own direction, as Canny does (PAMI 1986), but not cut by thresholds.
    """
    smooth = [scipy.ndimage.gaussian_filter(c.astype(np.float32), _SMOOTHING) for c in colours]
    down, right = np.gradient(np.stack(smooth), axis=(1, 2))
    slopes = np.stack([down, right], 1)
    sizes = np.hypot(slopes[:, 0], slopes[:, 1])
    best = sizes.argmax(0)[None]
    size = np.take_along_axis(sizes, best, 0)[0]
    step = np.take_along_axis(slopes, best[:, None], 0)[0] / np.maximum(size, 1e-6)
    here = np.indices(size.shape, np.float32)
    before, after = (
        scipy.ndimage.map_coordinates(size, here + sign * step, order=1, mode="nearest")
        for sign in (-1, 1)
    )
    thin = np.where((size >= before) & (size > after), size, 0)
    if not thin.any():
        return thin.astype(np.float32)
    return np.minimum(thin / np.percentile(thin[thin > 0], _STRONG), 1).astype(np.float32)
