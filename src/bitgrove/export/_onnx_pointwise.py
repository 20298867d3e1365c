"""How operators that treat every number by itself become nodes of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..runtime import Node
from ._onnx_builder import Builder, Shape, Value

Convert = Callable[[Builder, Node, Sequence[Value], Shape], Value]


def function(op: str) -> Convert:
    """A function of one value that ONNX has under this name."""

    def convert(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
        return inputs[0]._replace(name=build.node(node.name, op, inputs[0].name))

    return convert


def affine(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """A factor and an offset for each channel."""
    scale, bias = node.tensors["scale"], node.tensors["bias"]
    return build.channelwise(node.name, inputs[0], ("Mul", "scale", scale), ("Add", "bias", bias))


def prelu(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """A slope for each channel, between two shifts."""
    before, after = node.tensors.get("before"), node.tensors.get("after")
    return build.channelwise(
        node.name,
        inputs[0],
        ("Add", "before", before),
        ("PRelu", "slope", node.tensors["slope"]),
        ("Add", "after", after),
    )


def clip(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """A range, and a line beyond it: what was cut off, times the slope, is given back."""
    name, x, slope = node.name, inputs[0], node.attributes["slope"]
    ends = [build.constant(f"{name}.{end}", float(node.attributes[end])) for end in ("low", "high")]
    clipped = build.node(f"{name}/clipped" if slope else name, "Clip", x.name, *ends)
    if not slope:
        return x._replace(name=clipped)
    beyond = build.node(f"{name}/beyond", "Sub", x.name, clipped)
    line = build.node(f"{name}/line", "Mul", beyond, build.constant(f"{name}.slope", float(slope)))
    return x._replace(name=build.node(name, "Add", clipped, line))


def scale_map(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """A factor for each place."""
    x, factors = inputs[0], np.moveaxis(node.tensors["map"], -1, 0)
    if x.flat:
        factors = factors.reshape(-1)
    factor = build.constant(f"{node.name}.map", factors)
    return x._replace(name=build.with_constant(node.name, "Mul", x.name, factor))


def add(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """A sum."""
    a, b = build.alike(inputs)
    return a._replace(name=build.node(node.name, "Add", a.name, b.name))


def multiply(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """A product; channels of the second that serve several of the first are repeated."""
    a, b = inputs
    b = build.flat(b) if a.flat else build.spatial(b)
    factor, sharing = b.name, a.shape[0] // b.shape[0]
    if sharing > 1 and b.shape[0] > 1:
        channels = build.constant(f"{node.name}.channels", np.arange(a.shape[0]) // sharing)
        factor = build.node(f"{node.name}/shared", "Gather", factor, channels, axis=1)
    return a._replace(name=build.node(node.name, "Mul", a.name, factor))


def concat(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """The channels of one value after those of the other."""
    values = build.alike(inputs)
    joined = build.node(node.name, "Concat", *(value.name for value in values), axis=1)
    return Value(joined, shape, values[0].flat)


def flatten(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """One pixel with all channels."""
    return build.flat(inputs[0], node.name)
