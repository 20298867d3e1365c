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
    ``(x >= threshold) != flip`` equals ``function(x) >= 0``, up to where the function overflows
    into NaN.

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

    def value(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        with torch.no_grad():
            return function(torch.from_numpy(x)[None])[0].numpy()

    def positive(x: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        return value(x) >= 0

    limit = np.full(channels, _LARGEST, np.float32)
    while (unknown := np.isnan(value(limit)) | np.isnan(value(-limit))).any():
        if limit[unknown].min() < 1:
            raise ValueError("the function is NaN even for small numbers; is a parameter NaN?")
        limit = np.where(unknown, limit / 16, limit).astype(np.float32)
    low, high = -_order(limit), _order(limit)
    at_low, at_high = positive(-limit), positive(limit)
    # The smallest number whose answer is that of the largest; constant channels stay at the bottom.
    while (high > low).any():
        middle = (low + high) // 2
        same = positive(_number(middle)) == at_high
        high = np.where(same, middle, high)
        low = np.where(same, low, middle + 1)
    flip = ~at_high
    threshold = np.where(at_low == at_high, np.float32(-_LARGEST), _number(high))
    return threshold.astype(np.float32), np.packbits(flip) if flip.any() else None


def _order(values: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """The place of floats above 0 among all floats, as integers that grow with them."""
    return values.view(np.int32).astype(np.int64)


def _number(order: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """The inverse of :func:`_order`."""
    bits = np.where(order >= 0, order, (-order) | 0x80000000)
    return bits.astype(np.uint32).view(np.float32)
