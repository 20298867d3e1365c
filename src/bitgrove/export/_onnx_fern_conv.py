"""Fern convolutions in ONNX: windows, comparisons, and rows of tables added up."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import numpy.typing as npt

from ..runtime import Node
from ._onnx_builder import Builder, Shape, Value
from ._onnx_resize import border

_MOST_TAPS = 1 << 12
"""Of the kernel that tests read: each is an operator of its own."""


def fern_conv(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """The rows of all ferns of a group, gathered and added up.

    Addresses and sums are made in float32, where they are exact: there are at most 2**16 tests, so
    2**21 rows to address and sums of 127 * 2**16. What is gathered, a row for each fern at each
    pixel, is in memory at once.
    """
    name, tensors = node.name, node.tensors
    groups, ferns, rows, outs = tensors["table"].shape
    one_pixel = prod(inputs[0].shape[1:]) == 1 == prod(node.attributes["kernel"])
    flat = one_pixel and not any(node.attributes["padding"])
    x = build.flat(inputs[0]) if flat else build.spatial(inputs[0])
    value = Value(name, shape, flat)

    places = _addresses(build, node, x, value.dims[1:])
    table = tensors["table"].reshape(groups * ferns * rows, outs).astype(np.float32)
    found = build.node(
        f"{name}/found", "Gather", build.constant(f"{name}.table", table), places, axis=0
    )
    if groups > 1:
        apart = build.constant(f"{name}.groups", [0, groups, ferns, *value.dims[1:], outs])
        found = build.node(f"{name}/by-group", "Reshape", found, apart)
    axis = 2 if groups > 1 else 1
    sums = build.node(f"{name}/sums", "ReduceSum", found, axes=[axis], keepdims=0)
    steps = [("Mul", "scale", tensors.get("scale")), ("Add", "bias", tensors.get("bias"))]
    if any(vector is not None for _, _, vector in steps):
        value = value._replace(name=f"{name}/sum")
    value = value._replace(name=_channels_first(build, sums, groups, value))
    return build.channelwise(name, value, *steps)


def _addresses(build: Builder, node: Node, x: Value, sides: Shape) -> str:
    """The numbers of the rows that count, ``[n, ferns, sides]``.

    A test is whether a number is above its threshold or equal to it, which NaN is not: opset 11 has
    no single operator for both.
    """
    name, tensors = node.name, node.tensors
    rows = tensors["table"].shape[2]
    count, depth = tensors["table"].shape[0] * tensors["table"].shape[1], rows.bit_length() - 1
    flip, outside = (_bits(node, role) for role in ("flip", "outside"))
    tested = _tested(build, node, x, sides, flip ^ outside)
    like = Value(tested, (len(flip), *sides))
    at = build.per_channel(f"{name}.threshold", tensors["threshold"], like)
    above = build.node(f"{name}/above", "Greater", tested, at)
    equal = build.node(f"{name}/equal", "Equal", tested, at)
    reached = build.node(f"{name}/reached", "Or", above, equal)
    bits = np.tile(np.float32(2) ** np.arange(depth), count)
    yes = build.per_channel(f"{name}.yes", bits * ~flip, like)
    no = build.per_channel(f"{name}.no", bits * flip, like)
    weighed = build.node(f"{name}/weighed", "Where", reached, yes, no)
    apart = build.constant(f"{name}.tests", [0, count, depth, *sides])  # 0: as it was
    by_fern = build.node(f"{name}/by-fern", "Reshape", weighed, apart)
    within = build.node(f"{name}/within", "ReduceSum", by_fern, axes=[2], keepdims=0)
    starts = np.float32(rows) * np.arange(count)
    first = build.per_channel(f"{name}.starts", starts, Value(within, (count, *sides)))
    places = build.node(f"{name}/places", "Add", within, first)
    return build.node(f"{name}/rows", "Cast", places, to=7)  # INT64


def _bits(node: Node, role: str) -> npt.NDArray[np.bool_]:
    """A bit for each test; 0 where the tensor is absent."""
    count = len(node.tensors["place"])
    if role not in node.tensors:
        return np.zeros(count, bool)
    return np.unpackbits(node.tensors[role], count=count).astype(bool)


def _tested(
    build: Builder, node: Node, x: Value, sides: Shape, above: npt.NDArray[np.bool_]
) -> str:
    """What each test compares, ``[n, tests, sides]``.

    In the padding these are infinities: ``above`` says for each test on which side of its threshold
    the padding lies. Where tests differ in that, there are two borders around the channels, one
    behind the other.
    """
    name, a = node.name, node.attributes
    place = node.tensors["place"].astype(np.int64)
    channel, tap = np.divmod(place, prod(a["kernel"]))
    source, channels = x.name, x.shape[0]
    if any(a["padding"]):
        kinds = [kind for kind in (True, False) if (above == kind).any()]
        padded = [
            border(
                build,
                f"{name}/{'above' if kind else 'below'}",
                x,
                a["padding"],
                a["padding"],
                np.inf if kind else -np.inf,
            )
            for kind in kinds
        ]
        source = padded[0]
        if len(padded) > 1:
            source = build.node(f"{name}/border", "Concat", *padded, axis=1)
            channel += channels * ~above
            channels *= 2
    taps, number = np.unique(tap, return_inverse=True)
    source = _windows(build, node, source, sides, taps)
    asked = build.constant(f"{name}.place", number * channels + channel)
    return build.node(f"{name}/tested", "Gather", source, asked, axis=1)


def _windows(
    build: Builder, node: Node, source: str, sides: Shape, taps: npt.NDArray[np.int64]
) -> str:
    """The pixels under these taps of the kernel at every place of it, one behind the other."""
    name, a = node.name, node.attributes
    if len(taps) > _MOST_TAPS:
        raise ValueError(f"{len(taps)} pixels of the kernel are more than {_MOST_TAPS}")
    if not sides:
        return source
    axes = build.constant(f"{name}.axes", np.arange(2, 2 + len(sides)))
    steps = build.constant(f"{name}.steps", a["stride"])
    reach = (np.array(sides) - 1) * a["stride"] + 1
    parts = []
    for tap in taps:
        start = np.array(np.unravel_index(tap, a["kernel"])) * a["dilation"]
        ends = build.constant(f"{name}.end", start + reach)
        starts = build.constant(f"{name}.start", start)
        parts.append(build.node(f"{name}/tap", "Slice", source, starts, ends, axes, steps))
    return build.node(f"{name}/windows", "Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


def _channels_first(build: Builder, sums: str, groups: int, value: Value) -> str:
    """Bring the sums, ``[n, (groups,) sides, channels]``, to the order of a value."""
    name, sides = value.name, len(value.dims) - 1
    if groups == 1:
        return build.node(name, "Transpose", sums, perm=[0, 1 + sides, *range(1, 1 + sides)])
    order = [0, 1, 2 + sides, *range(2, 2 + sides)]
    moved = build.node(f"{name}/moved", "Transpose", sums, perm=order)
    shape = build.constant(f"{name}.shape", [0, *value.dims])
    return build.node(name, "Reshape", moved, shape)
