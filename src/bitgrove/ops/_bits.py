"""Weights as bits, in the layout of the ``.grove`` file."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def pack_weight(weight: Tensor) -> Tensor:
    """The signs of a weight as bits; zero, ``-0.0`` too, counts as +1.

    Args:
        weight: floating-point, ``(out, in / groups, *kernel)`` of a convolution or ``(out, in)`` of
            a linear layer, without NaN.

    Returns:
        ``uint8[out, *kernel, ceil(in / groups / 8)]`` in ``np.packbits`` order: input channel ``i``
        is bit ``7 - i % 8`` of byte ``i // 8``, 1 for +1; padding bits are zero.

    Raises:
        TypeError: ``weight`` is not a floating-point tensor.
        ValueError: it has fewer than two axes, or holds NaN.

    >>> pack_weight(torch.tensor([[0.5, -1.0, 0.0]]))
    tensor([[160]], dtype=torch.uint8)
    """
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        kind = weight.dtype if isinstance(weight, Tensor) else type(weight).__name__
        raise TypeError(f"weight must be a floating-point tensor, got {kind}")
    if weight.ndim < 2:
        raise ValueError(
            f"weight must have shape (out, in, *kernel) or (out, in), got {tuple(weight.shape)}"
        )
    if weight.isnan().any():
        raise ValueError("weight must not hold NaN: its sign is undefined")
    positive = (weight.detach() >= 0).movedim(1, -1).cpu().numpy()
    return torch.from_numpy(np.packbits(positive, axis=-1))


def unpack_weight(packed: Tensor, channels: int) -> Tensor:
    """The inverse of :func:`pack_weight`: +1 and -1.

    Args:
        packed: ``uint8[out, *kernel, ceil(channels / 8)]``.
        channels: input channels of a group.

    Returns:
        ``float32[out, channels, *kernel]``.

    Raises:
        TypeError: ``packed`` is not a ``uint8`` tensor.
        ValueError: its last axis does not hold so many channels.

    >>> unpack_weight(torch.tensor([[160]], dtype=torch.uint8), 3)
    tensor([[ 1., -1.,  1.]])
    """
    if not isinstance(packed, Tensor) or packed.dtype is not torch.uint8:
        kind = packed.dtype if isinstance(packed, Tensor) else type(packed).__name__
        raise TypeError(f"packed must be a uint8 tensor, got {kind}")
    if packed.ndim < 2 or packed.shape[-1] != (channels + 7) // 8:
        raise ValueError(
            f"packed must have shape (out, *kernel, {(channels + 7) // 8}) for {channels} "
            f"channels, got {tuple(packed.shape)}"
        )
    bits = np.unpackbits(packed.cpu().numpy(), axis=-1, count=channels)
    return torch.from_numpy(bits).movedim(-1, 1).float() * 2 - 1
