"""Batch norm and sign folded into one comparison, exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_LARGEST = float(np.finfo(np.float32).max)


def fold_sign(
    function: Callable[[Tensor], Tensor], channels: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8] | None]:
    """Find, per channel, the threshold at which ``function`` changes its sign.

    ``function`` is anything monotone in each channel, such as a batch norm in eval mode; gamma may
    be positive, negative or zero. The threshold is found by bisection over all float32 numbers, on
    the function itself, so that rounding inside it is honoured: for every finite ``x``,
    ``(x >= threshold) != flip`` equals ``function(x) >= 0``.

    Args:
        function: maps ``float32[m, channels]`` to the same shape.
        channels: number of channels.

    Returns:
        ``threshold`` (``float32[channels]``, finite) and ``flip`` (one bit per channel in
        ``np.packbits`` order, or None if no bit is set).

    >>> threshold, flip = fold_sign(lambda x: x * torch.tensor([2.0, -1.0]) + 1, channels=2)
    >>> threshold, flip                  # 2x + 1 >= 0 from -0.5 up; 1 - x >= 0 until just past 1
    (array([-0.5      ,  1.0000001], dtype=float32), array([64], dtype=uint8))
    """

    def positive(x: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        with torch.no_grad():
            return function(torch.from_numpy(x)[None])[0].numpy() >= 0

    low = np.full(channels, _order(np.float32(-_LARGEST)), np.int64)
    high = np.full(channels, _order(np.float32(_LARGEST)), np.int64)
    at_low, at_high = positive(_number(low)), positive(_number(high))
    # The smallest number whose answer is that of the largest; constant channels stay at the bottom.
    while (high > low).any():
        middle = (low + high) // 2
        same = positive(_number(middle)) == at_high
        high = np.where(same, middle, high)
        low = np.where(same, low, middle + 1)
    flip = ~at_high
    threshold = np.where(at_low == at_high, np.float32(-_LARGEST), _number(high))
    return threshold.astype(np.float32), np.packbits(flip) if flip.any() else None


def _order(value: np.float32) -> int:
    """A float's place among all floats, as an integer that grows with it."""
    bits = int(np.asarray(value).view(np.int32))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFF)


def _number(order: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """The inverse of :func:`_order`."""
    bits = np.where(order >= 0, order, (-order) | 0x80000000)
    return bits.astype(np.uint32).view(np.float32)
