"""What every operator of a packed network means, in float64, from FORMAT.md and torch alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bitgrove.runtime import Node

from .trees import leaves_of

_CONV: dict[int, Any] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_MAX: dict[int, Any] = {
    1: functional.max_pool1d,
    2: functional.max_pool2d,
    3: functional.max_pool3d,
}
_ADAPTIVE: dict[int, Any] = {
    1: functional.adaptive_avg_pool1d,
    2: functional.adaptive_avg_pool2d,
    3: functional.adaptive_avg_pool3d,
}


class Answer(NamedTuple):
    """What a node should give, and how near float32 must come to it."""

    value: Tensor
    size: Tensor
    """The sum of the absolute values of all that is added up."""
    grid: int | None
    """All terms are multiples of ``2**grid``, so that sums below ``2**(24 + grid)`` are exact; None
    where something is divided or exponentiated."""

    def is_exact(self) -> bool:
        return self.grid is not None and float(self.size.max()) <= 2.0 ** (24 + self.grid)


def grid_of(*arrays: Any) -> int:
    """The largest ``g`` such that all numbers are multiples of ``2**g``; at most 0."""
    grid = 0
    for array in arrays:
        numbers = np.asarray(array, np.float64).ravel()
        mantissa, exponent = np.frexp(numbers[numbers != 0])
        whole = (mantissa * 2.0**53).astype(np.int64)
        lowest = np.log2((whole & -whole).astype(np.float64))
        grid = min(grid, int((exponent - 53 + lowest).min(initial=0)))
    return grid


def answer(node: Node, inputs: list[np.ndarray]) -> Answer:
    """The result of a node, given what it reads: ``[n, c, sides]``, bits as +1 and -1."""
    values = [torch.from_numpy(x.astype(np.float64)) for x in inputs]
    axes = values[0].ndim - 2
    name = node.op[:-2] if node.op[-1] == "d" and node.op[-2].isdigit() else node.op
    return _MEANINGS[name](node, axes, *values)


def _plain(value: Tensor) -> Answer:
    """Of an operator that only chooses among numbers."""
    return Answer(value, torch.zeros(1), 0)


def _tensor(node: Node, role: str, channels: int, axes: int, absent: float) -> Tensor:
    array = node.tensors.get(role)
    numbers = np.full(channels, absent) if array is None else array.astype(np.float64)
    return torch.from_numpy(numbers).reshape(-1, *[1] * axes)


def _convolve(node: Node, x: Tensor, weight: Tensor, pad_value: float) -> Tensor:
    a = node.attributes
    border = [side for side in reversed(a["padding"]) for _ in range(2)]
    return _CONV[x.ndim - 2](
        functional.pad(x, border, value=pad_value),
        weight,
        stride=a["stride"],
        dilation=a["dilation"],
        groups=a["groups"],
    )


def _conv(node: Node, axes: int, x: Tensor) -> Answer:
    weight = torch.from_numpy(np.moveaxis(node.tensors["weight"], -1, 1).astype(np.float64))
    return _scaled_conv(node, axes, x, weight)


def _binary_conv(node: Node, axes: int, x: Tensor) -> Answer:
    inner = x.shape[1] // node.attributes["groups"]
    bits = np.unpackbits(node.tensors["weight"], axis=-1, count=inner)
    weight = torch.from_numpy(np.moveaxis(bits, -1, 1) * 2.0 - 1.0)
    return _scaled_conv(node, axes, x, weight)


def _scaled_conv(node: Node, axes: int, x: Tensor, weight: Tensor) -> Answer:
    pad = node.attributes["pad_value"]
    scale = _tensor(node, "scale", len(weight), axes, 1.0)
    bias = _tensor(node, "bias", len(weight), axes, 0.0)
    value = _convolve(node, x, weight, pad)
    size = _convolve(node, x.abs(), weight.abs(), abs(pad))
    grid = min(grid_of(x) + grid_of(weight) + grid_of(scale), grid_of(bias))
    return Answer(value * scale + bias, size * scale.abs().clamp(min=1) + bias.abs(), grid)


def _byte_conv(node: Node, axes: int, x: Tensor) -> Answer:
    zero, step = node.attributes["zero"], np.float32(node.attributes["step"])
    rounded = np.rint(x.numpy().astype(np.float32) / step).astype(np.float64)
    steps = torch.from_numpy(np.clip(rounded, -zero, 255 - zero))
    weight = torch.from_numpy(np.moveaxis(node.tensors["weight"], -1, 1).astype(np.float64))
    scale = _tensor(node, "scale", len(weight), axes, 1.0)
    bias = _tensor(node, "bias", len(weight), axes, 0.0)
    total = _convolve(node, steps, weight, 0)
    value = total * scale + bias
    size = (total * scale).abs() + bias.abs()  # the sum itself is exact
    return Answer(value, size, min(grid_of(scale), grid_of(bias)))


def _fern_conv(node: Node, axes: int, x: Tensor) -> Answer:
    a, tensors = node.attributes, node.tensors
    groups, ferns, rows, outs = tensors["table"].shape
    count = len(tensors["place"])
    bits = {
        role: np.unpackbits(tensors.get(role, np.zeros(-(-count // 8), np.uint8)), count=count)
        for role in ("flip", "outside")
    }
    border = [side for side in reversed(a["padding"]) for _ in range(2)]
    padded, inside = functional.pad(x, border), functional.pad(torch.ones_like(x), border) > 0
    sides = [
        (x.shape[2 + i] + 2 * a["padding"][i] - a["dilation"][i] * (a["kernel"][i] - 1) - 1)
        // a["stride"][i]
        + 1
        for i in range(axes)
    ]
    answers = []
    for j, place in enumerate(tensors["place"].tolist()):
        channel, *tap = np.unravel_index(place, (x.shape[1], *a["kernel"]))
        window: list[Any] = [slice(None), int(channel)]
        for i in range(axes):
            first = int(tap[i]) * a["dilation"][i]
            window.append(slice(first, first + (sides[i] - 1) * a["stride"][i] + 1, a["stride"][i]))
        yes = (padded[tuple(window)] >= float(tensors["threshold"][j])) ^ bool(bits["flip"][j])
        answers.append(torch.where(inside[tuple(window)], yes, bool(bits["outside"][j])))
    depth = rows.bit_length() - 1
    table = torch.from_numpy(tensors["table"].astype(np.float64))
    total = torch.zeros((groups, outs, len(x), *sides), dtype=torch.float64)
    for f in range(groups * ferns):
        address = sum(answers[f * depth + k].long() << k for k in range(depth))
        total[f // ferns] += table[f // ferns, f % ferns][address].movedim(-1, 0)
    total = total.flatten(0, 1).movedim(0, 1)
    scale = _tensor(node, "scale", groups * outs, axes, 1.0)
    bias = _tensor(node, "bias", groups * outs, axes, 0.0)
    value = total * scale + bias
    size = (total * scale).abs() + bias.abs()  # the sum itself is exact
    return Answer(value, size, min(grid_of(scale), grid_of(bias)))


def _signs(node: Node, axes: int, x: Tensor) -> Answer:
    channels = x.shape[1]
    above = x >= _tensor(node, "threshold", channels, axes, 0.0)
    flip = node.tensors.get("flip")
    if flip is not None:
        bits = np.unpackbits(flip, count=channels).astype(bool)
        above = above ^ torch.from_numpy(bits).reshape(-1, *[1] * axes)
    return _plain(torch.where(above, 1.0, -1.0).double())


def _affine(node: Node, axes: int, x: Tensor) -> Answer:
    scale, bias = (_tensor(node, role, x.shape[1], axes, 0.0) for role in ("scale", "bias"))
    grid = min(grid_of(x) + grid_of(scale), grid_of(bias))
    return Answer(x * scale + bias, (x * scale).abs() + bias.abs(), grid)


def _scale_map(node: Node, axes: int, x: Tensor) -> Answer:
    factor = torch.from_numpy(np.moveaxis(node.tensors["map"], -1, 0).astype(np.float64))
    return Answer(x * factor, (x * factor).abs(), grid_of(x) + grid_of(factor))


def _multiply(node: Node, axes: int, a: Tensor, b: Tensor) -> Answer:
    value = a * b.repeat_interleave(a.shape[1] // b.shape[1], 1)
    return Answer(value, value.abs(), grid_of(a) + grid_of(b))


def _add(node: Node, axes: int, a: Tensor, b: Tensor) -> Answer:
    return Answer(a + b, a.abs() + b.abs(), grid_of(a, b))


def _concat(node: Node, axes: int, *inputs: Tensor) -> Answer:
    return _plain(torch.cat(inputs, 1))


def _relu(node: Node, axes: int, x: Tensor) -> Answer:
    return _plain(x.clamp(min=0))


def _sigmoid(node: Node, axes: int, x: Tensor) -> Answer:
    return Answer(x.sigmoid(), torch.ones(1), None)


def _clip(node: Node, axes: int, x: Tensor) -> Answer:
    low, high, slope = (float(node.attributes[key]) for key in ("low", "high", "slope"))
    inner = x.clamp(low, high)
    value = inner + slope * (x - inner)
    size = inner.abs() + (1 + abs(slope)) * (x.abs() + inner.abs())
    return Answer(value, size, grid_of(x, low, high) + grid_of(slope))


def _prelu(node: Node, axes: int, x: Tensor) -> Answer:
    slope, before, after = (
        _tensor(node, role, x.shape[1], axes, 0.0) for role in ("slope", "before", "after")
    )
    y = x + before
    value = torch.where(y >= 0, y, y * slope) + after
    size = (x.abs() + before.abs()) * slope.abs().clamp(min=1) + after.abs()
    return Answer(value, size, min(grid_of(x, before) + grid_of(slope), grid_of(after)))


def _max_pool(node: Node, axes: int, x: Tensor) -> Answer:
    a = node.attributes
    value = _MAX[axes](x, a["kernel"], a["stride"], a["padding"], ceil_mode=a["ceil"])
    return _plain(value)


def _spans(node: Node, axis: int, length: int) -> Iterator[tuple[int, int, int]]:
    """Of every window along an axis: its first pixel, its end, and its length with the padding."""
    a = node.attributes
    kernel, stride, padding = (a[key][axis] for key in ("kernel", "stride", "padding"))
    room = length + padding - kernel + (stride - 1 if a["ceil"] else 0)
    for start in range(-padding, room + 1, stride):
        if start < length:
            end = start + kernel
            yield max(start, 0), min(end, length), min(end, length + padding) - start


def _avg_pool(node: Node, axes: int, x: Tensor) -> Answer:
    # Not torch's, which refuses some volumes that are smaller than the kernel without padding.
    size = x.abs()
    for axis in range(2, 2 + axes):
        means, sizes = [], []
        for first, end, padded in _spans(node, axis - 2, x.shape[axis]):
            count = padded if node.attributes["count_padding"] else end - first
            means.append(x.narrow(axis, first, end - first).sum(axis, keepdim=True) / count)
            sizes.append(size.narrow(axis, first, end - first).sum(axis, keepdim=True) / count)
        x, size = torch.cat(means, axis), torch.cat(sizes, axis)
    return Answer(x, size, None)


def _adaptive_avg_pool(node: Node, axes: int, x: Tensor) -> Answer:
    pool, size = _ADAPTIVE[axes], node.attributes["size"]
    return Answer(pool(x, size), pool(x.abs(), size), None)


def _input_scale(node: Node, axes: int, x: Tensor) -> Answer:
    a, groups = node.attributes, node.attributes["groups"]
    means = x.abs().unflatten(1, (groups, -1)).mean(2)
    taps = torch.full((groups, 1, *a["kernel"]), 1.0, dtype=torch.float64)
    value = _convolve(node, means, taps, 0) / taps[0].numel()
    return Answer(value, value, None)


def _places(length: int, count: int, step: float, mode: str) -> tuple[Tensor, Tensor, Tensor]:
    """Per output: the two pixels that it lies between, and the share of the second."""
    number, wide = np.arange(count, dtype=np.float32), np.float32(step)
    if mode == "nearest":
        at = np.minimum(np.floor(number * wide), np.float32(length - 1))
    else:
        half = np.float32(0.5)
        at = np.clip(wide * (number + half) - half, np.float32(0), np.float32(length - 1))
    first = at.astype(np.int64)
    second = np.minimum(first + 1, length - 1)
    share = (at - first.astype(np.float32)).astype(np.float64)
    return torch.from_numpy(first), torch.from_numpy(second), torch.from_numpy(share)


def _upsample(node: Node, axes: int, x: Tensor) -> Answer:
    a = node.attributes

    def between(x: Tensor) -> Tensor:
        for axis in range(axes):
            shape = [1] * x.ndim
            shape[2 + axis] = -1
            first, second, share = _places(
                x.shape[2 + axis], a["size"][axis], a["step"][axis], a["mode"]
            )
            share = share.reshape(shape)
            x = x.index_select(2 + axis, first) * (1 - share) + share * x.index_select(
                2 + axis, second
            )
        return x

    if a["mode"] == "nearest":
        return _plain(between(x))
    return Answer(between(x), between(x.abs()), None)


def _pad(node: Node, axes: int, x: Tensor) -> Answer:
    a = node.attributes
    pairs = zip(reversed(a["before"]), reversed(a["after"]), strict=True)
    return _plain(functional.pad(x, [side for pair in pairs for side in pair], value=a["value"]))


def _flatten(node: Node, axes: int, x: Tensor) -> Answer:
    return _plain(x.reshape(len(x), -1, *[1] * axes))


def _forest(node: Node, axes: int, x: Tensor) -> Answer:
    t = node.tensors
    pixels = np.moveaxis(x.numpy(), 1, -1).reshape(-1, x.shape[1])
    rows = [leaves_of(t, pixel) for pixel in pixels]
    leaf = t["leaf"].astype(np.float64)
    bias = t.get("bias", np.zeros(leaf.shape[1])).astype(np.float64)
    shape = (len(x), *x.shape[2:], leaf.shape[1])

    def placed(numbers: np.ndarray) -> Tensor:
        return torch.from_numpy(np.moveaxis(numbers.reshape(shape), -1, 1))

    value = np.array([leaf[row].sum(0) + bias for row in rows])
    size = np.array([np.abs(leaf[row]).sum(0) + np.abs(bias) for row in rows])
    return Answer(placed(value), placed(size), grid_of(leaf, bias))


def _ferns(node: Node, axes: int, x: Tensor) -> Answer:
    feature, table = node.tensors["feature"], node.tensors.get("leaf", node.tensors.get("codes"))
    rows = np.moveaxis(x.numpy(), 1, -1)
    value, size = np.zeros((2, *rows.shape[:-1], table.shape[1]))
    for f, questions in enumerate(feature):
        leaf = np.full(rows.shape[:-1], f << len(questions))
        for k, channel in enumerate(questions):
            if "other" in node.tensors:
                against = rows[..., node.tensors["other"][f, k]]
            else:
                against = node.tensors.get("threshold", np.zeros(feature.shape))[f, k]
            leaf += (rows[..., channel] > against) << k
        value += table[leaf]
        size += np.abs(table[leaf])
    scale = node.tensors.get("scale", np.ones(1)).astype(np.float64)
    bias = node.tensors.get("bias", np.zeros(1)).astype(np.float64)
    grid = min(grid_of(table) + grid_of(scale), grid_of(bias))
    total, sizes = value * scale + bias, size * max(1, abs(scale[0])) + np.abs(bias)
    back = [torch.from_numpy(np.ascontiguousarray(np.moveaxis(a, -1, 1))) for a in (total, sizes)]
    return Answer(*back, grid)


_MEANINGS: dict[str, Callable[..., Answer]] = {
    "conv": _conv,
    "binary_conv": _binary_conv,
    "binary_weight_conv": _binary_conv,
    "byte_conv": _byte_conv,
    "fern_conv": _fern_conv,
    "sign": _signs,
    "binarise": _signs,
    "affine": _affine,
    "scale_map": _scale_map,
    "multiply": _multiply,
    "add": _add,
    "concat": _concat,
    "relu": _relu,
    "sigmoid": _sigmoid,
    "clip": _clip,
    "prelu": _prelu,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "adaptive_avg_pool": _adaptive_avg_pool,
    "input_scale": _input_scale,
    "upsample": _upsample,
    "pad": _pad,
    "flatten": _flatten,
    "forest": _forest,
    "ferns": _ferns,
}
