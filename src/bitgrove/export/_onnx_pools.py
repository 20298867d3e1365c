"""How pooling becomes nodes of ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..runtime import Node
from ._onnx_builder import Builder, Shape, Value
from ._onnx_resize import border, weighted_sum


def max_pool(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """Max pooling."""
    x = build.spatial(inputs[0])
    pads = [*node.attributes["padding"], *_reach(node, x, shape)]
    return Value(build.node(node.name, "MaxPool", x.name, pads=pads, **_window(node)), shape)


def avg_pool(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """Average pooling.

    Where the padding counts and a window hangs over it, the padding is made of real zeros and what
    hangs over becomes the padding that does not count: runtimes differ in what else they divide by.
    """
    x = build.spatial(inputs[0])
    before, after = node.attributes["padding"], _reach(node, x, shape)
    source, counts = x.name, node.attributes["count_padding"]
    hanging = [max(a - p, 0) for a, p in zip(after, before, strict=True)]
    if counts and any(before) and any(hanging):
        zeros = [a - h for a, h in zip(after, hanging, strict=True)]
        source = border(build, f"{node.name}/border", x, before, zeros, 0.0)
        before, after, counts = [0] * len(before), hanging, False
    out = build.node(
        node.name,
        "AveragePool",
        source,
        pads=[*before, *after],
        count_include_pad=int(counts and any(before)),
        **_window(node),
    )
    return Value(out, shape)


def adaptive_avg_pool(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """Means over cells: a pool if the cells are alike, else along one axis after the other."""
    x = build.spatial(inputs[0])
    if all(side == 1 for side in shape[1:]):
        return Value(build.node(node.name, "GlobalAveragePool", x.name), shape)
    cells = [_cells(n, m) for n, m in zip(x.shape[1:], shape[1:], strict=True)]
    windows = [_as_window(*each) for each in cells]
    if all(windows):
        kernel, stride = ([w[i] for w in windows if w] for i in (0, 1))
        pool = build.node(node.name, "AveragePool", x.name, kernel_shape=kernel, strides=stride)
        return Value(pool, shape)
    out = x.name
    for axis, each in enumerate(cells, 2):
        name = node.name if axis == len(cells) + 1 else f"{node.name}/{axis}"
        out = weighted_sum(build, name, out, axis, len(shape) + 1, *_shares(*each))
    return Value(out, shape)


def _window(node: Node) -> dict[str, Any]:
    return {"kernel_shape": node.attributes["kernel"], "strides": node.attributes["stride"]}


def _reach(node: Node, x: Value, shape: Shape) -> list[int]:
    """How far windows reach over the far border, by which their number needs no rule of rounding.

    The rule for a last window that starts outside has changed in ONNX more than once.
    """
    a = node.attributes
    sides = zip(x.shape[1:], shape[1:], a["kernel"], a["stride"], a["padding"], strict=True)
    return [max((out - 1) * s + k - n - p, 0) for n, out, k, s, p in sides]


def _cells(n: int, m: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First pixels of ``m`` cells over ``n`` pixels, and how many pixels each has."""
    cell = np.arange(m)
    first = cell * n // m
    return first, -(-(cell + 1) * n // m) - first


def _as_window(first: npt.NDArray, count: npt.NDArray) -> tuple[int, int] | None:
    """Kernel and stride that make these cells, if any do."""
    stride = int(first[1]) if len(first) > 1 else 1
    alike = (count == count[0]).all() and (first == np.arange(len(first)) * stride).all()
    return (int(count[0]), stride) if alike and stride > 0 else None


def _shares(
    first: npt.NDArray, count: npt.NDArray
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The pixels of each cell and their shares; short cells are filled up with shares of 0."""
    step, count = np.arange(count.max()), count[:, None]
    return first[:, None] + np.minimum(step, count - 1), (step < count) / count
