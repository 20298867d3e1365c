"""How upsampling and borders become nodes of ONNX, and sums of picked pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..runtime import Node
from ._onnx_builder import Builder, Shape, Value


def upsample(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """Pixels picked by number, along one axis after the other.

    ONNX has ``Resize``, but runtimes compute the pixel from a factor each in its own rounding, and
    the file's step need not be the ratio of the sizes; numbers leave nothing to round.
    """
    x = build.spatial(inputs[0])
    out = x.name
    sides = zip(x.shape[1:], shape[1:], node.attributes["step"], strict=True)
    for axis, (n, m, step) in enumerate(sides, 2):
        name = node.name if axis == len(shape) else f"{node.name}/{axis}"
        pixel = _sources(n, m, np.float32(step), node.attributes["mode"])
        out = weighted_sum(build, name, out, axis, len(shape) + 1, *pixel)
    return Value(out, shape)


def pad(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """A border of one number."""
    a = node.attributes
    x = build.spatial(inputs[0])
    return Value(border(build, node.name, x, a["before"], a["after"], a["value"]), shape)


def border(
    build: Builder, name: str, x: Value, before: list[int], after: list[int], value: float
) -> str:
    """The tensor of a value with so many pixels around it."""
    pads = build.constant(f"{name}.pads", [0, 0, *before, 0, 0, *after])
    return build.node(name, "Pad", x.name, pads, build.constant(f"{name}.value", float(value)))


def weighted_sum(
    build: Builder,
    name: str,
    source: str,
    axis: int,
    rank: int,
    pixel: npt.NDArray[np.int64],
    weight: npt.NDArray,
) -> str:
    """Replace an axis by weighted sums of its pixels.

    Args:
        build: what to append to.
        name: of the result.
        source: a tensor.
        axis: one of its sides.
        rank: its dimensions.
        pixel: ``[m, k]``, the pixels of each of ``m`` sums.
        weight: ``[m, k]``; of the pixels.
    """
    if pixel.shape[1] == 1 and (weight == 1).all():
        index = build.constant(f"{name}.pixel", pixel[:, 0])
        return build.node(name, "Gather", source, index, axis=axis)
    index = build.constant(f"{name}.pixel", pixel)
    picked = build.node(f"{name}/picked", "Gather", source, index, axis=axis)
    shares = weight.reshape(*weight.shape, *[1] * (rank - axis - 1))
    share = build.constant(f"{name}.share", shares)
    product = build.node(f"{name}/weighted", "Mul", picked, share)
    return build.node(name, "ReduceSum", product, axes=[axis + 1], keepdims=0)


def _sources(
    n: int, m: int, step: np.float32, mode: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The pixels of ``n`` that each of ``m`` is made of, and their shares, all in float32."""
    number, last = np.arange(m, dtype=np.float32), np.float32(n - 1)
    if mode == "nearest":
        nearest = np.minimum(np.floor(number * step), last).astype(np.int64)
        return nearest[:, None], np.ones((m, 1), np.float32)
    half = np.float32(0.5)
    at = np.clip(step * (number + half) - half, np.float32(0), last)
    first = at.astype(np.int64)
    share = at - first.astype(np.float32)
    pixel = np.stack([first, np.minimum(first + 1, n - 1)], axis=1)
    return pixel, np.stack([1 - share, share], axis=1)
