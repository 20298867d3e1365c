"""The operators with defaults, one number for all sides where that is meant."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from . import _operators as _operators  # registers them

Size = int | Sequence[int]


def binary_conv(
    x: Tensor,
    weight: Tensor,
    *,
    scale: Tensor | None = None,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    pad_value: int = -1,
    threshold: Tensor | None = None,
    flip: Tensor | None = None,
) -> Tensor:
    """Convolve the signs of ``x`` with packed signs, by XOR and popcount.

    The operator is ``torch.ops.bitgrove.binary_conv``, for one, two or three sides. The sums are
    exact integers; ``scale`` and ``bias`` come after them, in float32. Images run on
    ``torch.get_num_threads()`` threads, and the result does not depend on how many. NaN is not
    looked for, as in :mod:`bitgrove.nn`: it compares false, so its sign is -1.

    The kernels' form of a weight is kept between calls, and made anew after torch wrote to it.
    What is written behind torch's back, through ``.data`` or a numpy view, is not seen.

    Args:
        x: ``float32[n, channels, *sides]`` in the memory of a CPU, in any memory format. Others are
            refused; of a 16-bit ``x``, ``x.float()`` has the same signs.
        weight: ``uint8[out, *kernel, ceil(channels / groups / 8)]``, see :func:`pack_weight`.
        scale: ``float32[out]``, multiplies the sums.
        bias: ``float32[out]``, is added then.
        stride: one number, or one for each side, of at least 1.
        padding: pixels added on both sides, likewise, of at least 0.
        dilation: likewise, of at least 1.
        groups: convolutions side by side.
        pad_value: the sign that the border has: -1 or +1, or 0 for none.
        threshold: ``float32[channels]``: the sign is +1 where ``x >= threshold``; 0 by default.
        flip: ``uint8[ceil(channels / 8)]``, packed as ``weight``: turns the signs of the channels
            whose bits are set.

    Returns:
        ``float32[n, out, *output sides]``, contiguous.

    Raises:
        TypeError: a dtype is wrong; nothing is converted.
        ValueError: a shape, a device or a number is wrong, or padding bits of ``weight`` are set.
        NotImplementedError: in a backward pass: there is no gradient. Train with ``bitgrove.nn``.

    >>> from bitgrove.ops import pack_weight
    >>> weight = pack_weight(torch.ones(1, 2, 3, 3))
    >>> binary_conv(torch.ones(1, 2, 3, 3), weight, padding=1).squeeze()
    tensor([[-2.,  6., -2.],
            [ 6., 18.,  6.],
            [-2.,  6., -2.]])
    """
    axes = weight.ndim - 2
    return torch.ops.bitgrove.binary_conv(
        x,
        weight,
        scale,
        bias,
        _sides(stride, axes),
        _sides(padding, axes),
        _sides(dilation, axes),
        groups,
        pad_value,
        threshold,
        flip,
    )


def binary_weight_conv(
    x: Tensor,
    weight: Tensor,
    *,
    scale: Tensor | None = None,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    pad_value: int = 0,
) -> Tensor:
    """Convolve real numbers with packed signs; arguments and errors as :func:`binary_conv`.

    The operator is ``torch.ops.bitgrove.binary_weight_conv``. The border of ``x`` holds
    ``pad_value`` itself. Sums of integers below 2²⁴ are exact, others rounded as floats are.

    >>> from bitgrove.ops import pack_weight
    >>> weight = pack_weight(torch.tensor([[[1.0, -1.0]]]))
    >>> binary_weight_conv(torch.tensor([[[0.5, 2.0, 4.0]]]), weight)
    tensor([[[-1.5000, -2.0000]]])
    """
    axes = weight.ndim - 2
    return torch.ops.bitgrove.binary_weight_conv(
        x,
        weight,
        scale,
        bias,
        _sides(stride, axes),
        _sides(padding, axes),
        _sides(dilation, axes),
        groups,
        pad_value,
    )


def binary_linear(
    x: Tensor,
    weight: Tensor,
    *,
    scale: Tensor | None = None,
    bias: Tensor | None = None,
    threshold: Tensor | None = None,
    flip: Tensor | None = None,
) -> Tensor:
    """Multiply the signs of ``x`` with packed signs along the last axis.

    The operator is ``torch.ops.bitgrove.binary_linear``; what is not said here is as in
    :func:`binary_conv`, with features for channels.

    Args:
        x: ``float32[..., features]``.
        weight: ``uint8[out, ceil(features / 8)]``, see :func:`pack_weight`.
        scale: ``float32[out]``.
        bias: ``float32[out]``.
        threshold: ``float32[features]``.
        flip: ``uint8[ceil(features / 8)]``.

    Returns:
        ``float32[..., out]``, contiguous.

    >>> from bitgrove.ops import pack_weight
    >>> weight = pack_weight(torch.tensor([[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]]))
    >>> binary_linear(torch.tensor([[0.5, -0.5, 0.0]]), weight)
    tensor([[ 1., -1.]])
    """
    return torch.ops.bitgrove.binary_linear(x, weight, scale, bias, threshold, flip)


def binary_weight_linear(
    x: Tensor, weight: Tensor, *, scale: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    """Multiply real numbers with packed signs along the last axis, as :func:`binary_linear`.

    The operator is ``torch.ops.bitgrove.binary_weight_linear``. Sums are rounded as floats are.

    >>> from bitgrove.ops import pack_weight
    >>> binary_weight_linear(torch.tensor([0.5, 2.0]), pack_weight(torch.tensor([[1.0, -1.0]])))
    tensor([-1.5000])
    """
    return torch.ops.bitgrove.binary_weight_linear(x, weight, scale, bias)


def _sides(value: Size, axes: int) -> list[int]:
    """One number for all sides, or what was given."""
    return [value] * axes if isinstance(value, int) else list(value)
