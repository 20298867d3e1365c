"""What an operator takes. Shapes may be symbolic: the compiler asks with sizes it does not know."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Window(NamedTuple):
    """A convolution's geometry: one number for each side, but for the last two."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    pad_value: int


class Operands(NamedTuple):
    """All tensors but the input; ``threshold`` and ``flip`` belong to the input's signs."""

    weight: Tensor
    scale: Tensor | None = None
    bias: Tensor | None = None
    threshold: Tensor | None = None
    flip: Tensor | None = None


def check_input(x: Tensor) -> None:
    """Refuse another dtype than float32 and another memory than a CPU's.

    Raises:
        TypeError: the dtype is another one.
        ValueError: the device is another one.
    """
    if x.dtype is not torch.float32:
        way_out = "; give x.float()" if x.dtype in (torch.float16, torch.bfloat16) else ""
        raise TypeError(f"x must be float32, got {x.dtype}{way_out}")
    if not (x.is_cpu or x.is_meta):  # a meta tensor asks for the shape alone
        raise ValueError(
            f"x must be in the memory of a CPU, got {x.device}; give x.cpu(), or keep bitgrove.nn "
            "there"
        )


def convolved_shape(x: Tensor, operands: Operands, window: Window) -> list[int]:
    """The shape of the result, after a look at everything but the values.

    Raises:
        TypeError: a dtype is wrong.
        ValueError: a shape, a device or a number is wrong.
    """
    check_input(x)
    weight, axes = operands.weight, operands.weight.ndim - 2
    _check_weight(weight, "(out, *kernel, ceil(in / groups / 8)) with 1 to 3 sides", (1, 2, 3))
    for name, numbers, least in (
        ("stride", window.stride, 1),
        ("padding", window.padding, 0),
        ("dilation", window.dilation, 1),
    ):
        if len(numbers) != axes or any(number < least for number in numbers):
            raise ValueError(
                f"{name} must be {axes} integers of at least {least}, one for each side of the "
                f"kernel, got {list(numbers)}"
            )
    if window.pad_value not in (-1, 0, 1):
        raise ValueError(f"pad_value must be -1, 0 or +1, got {window.pad_value}")
    if x.ndim != axes + 2:
        raise ValueError(
            f"x must have shape (n, channels, *sides) with {axes} sides, as weight has, got "
            f"{_shape(x)}"
        )
    out, channels, groups = weight.shape[0], x.shape[1], window.groups
    if groups < 1 or channels % groups or out % groups:
        raise ValueError(
            f"groups must be at least 1 and divide the {channels} channels of x and the {out} "
            f"filters of weight, got {groups}"
        )
    _check_width(weight, channels // groups, f"{channels} channels in {groups} groups")
    _check_rest(operands, out, channels)
    sides: list[int] = []
    for axis in range(axes):
        reach = window.dilation[axis] * (weight.shape[1 + axis] - 1) + 1
        padded = x.shape[2 + axis] + 2 * window.padding[axis]
        if x.shape[2 + axis] < 1 or padded < reach:
            raise ValueError(
                f"a window that reaches over {reach} does not fit into side {axis} of x, of shape "
                f"{_shape(x)}, with padding {window.padding[axis]}"
            )
        sides.append((padded - reach) // window.stride[axis] + 1)
    return [x.shape[0], out, *sides]


def multiplied_shape(x: Tensor, operands: Operands) -> list[int]:
    """As :func:`convolved_shape`, for a matrix product along the last axis."""
    check_input(x)
    weight = operands.weight
    _check_weight(weight, "(out, ceil(in / 8))", (0,))
    if x.ndim < 1:
        raise ValueError("x must have shape (..., in), got a scalar")
    _check_width(weight, x.shape[-1], f"{x.shape[-1]} features")
    _check_rest(operands, weight.shape[0], x.shape[-1])
    return [*x.shape[:-1], weight.shape[0]]


def _check_weight(weight: Tensor, expected: str, axes: tuple[int, ...]) -> None:
    if weight.dtype is not torch.uint8:
        raise TypeError(f"weight must be uint8, got {weight.dtype}; pack it with ops.pack_weight")
    if weight.ndim - 2 not in axes or 0 in weight.shape:
        raise ValueError(f"weight must have shape {expected}, none of them 0, got {_shape(weight)}")


def _check_width(weight: Tensor, channels: int, of: str) -> None:
    if channels < 1 or weight.shape[-1] != (channels + 7) // 8:
        raise ValueError(
            f"x has {of}, which is {(channels + 7) // 8} bytes to a tap of weight, of which the "
            f"shape is {_shape(weight)}"
        )


def _check_rest(operands: Operands, out: int, channels: int) -> None:
    for name, tensor, dtype, length in (
        ("scale", operands.scale, torch.float32, out),
        ("bias", operands.bias, torch.float32, out),
        ("threshold", operands.threshold, torch.float32, channels),
        ("flip", operands.flip, torch.uint8, (channels + 7) // 8),
    ):
        if tensor is None:
            continue
        if tensor.dtype is not dtype:
            raise TypeError(f"{name} must be {dtype}, got {tensor.dtype}")
        if tensor.ndim != 1 or tensor.shape[0] != length:
            raise ValueError(f"{name} must have shape ({length},), got {_shape(tensor)}")
    for name, tensor in operands._asdict().items():
        if tensor is not None and not (tensor.is_cpu or tensor.is_meta):
            raise ValueError(f"{name} must be in the memory of a CPU, got {tensor.device}")


def _shape(x: Tensor) -> tuple[int, ...]:
    return tuple(x.shape)
