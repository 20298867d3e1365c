"""How convolutions, linear layers and the scale of XNOR-Net's input become nodes of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..runtime import Node
from ._onnx_builder import Builder, Shape, Value
from ._onnx_resize import border
from ._onnx_signs import binary_weights

_MOST_TAPS = 1 << 24
"""Of a mean over a window, which ONNX has with dilation as a convolution only."""


def conv(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """A real convolution, with its bias inside."""
    return _convolution(build, node, inputs[0], shape, node.tensors["weight"], build.constant)


def binary_conv(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """A product with +1 and -1, of bits or of real values, then scale and bias."""
    channels = inputs[0].shape[0] // node.attributes["groups"]
    bits = np.unpackbits(node.tensors["weight"], axis=-1, count=channels)
    weight = bits.astype(np.float32) * 2 - 1
    write = partial(binary_weights, build)
    return _convolution(build, node, inputs[0], shape, weight, write)


def byte_conv(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """A convolution in 8 bits, its bytes and its weights as float32.

    The sums are exact below 2**24. ``ConvInteger`` has no such limit, but runtimes may saturate in
    it on CPUs without VNNI.
    """
    name, x = node.name, inputs[0]
    zero, step = node.attributes["zero"], np.float32(node.attributes["step"])
    steps = build.node(f"{name}/steps", "Div", x.name, build.constant(f"{name}.step", step))
    whole = build.node(f"{name}/whole", "Round", steps)
    ends = [
        build.constant(f"{name}.low", -1.0 * zero),
        build.constant(f"{name}.high", 255.0 - zero),
    ]
    clipped = x._replace(name=build.node(f"{name}/bytes", "Clip", whole, *ends))
    weight = node.tensors["weight"].astype(np.float32)
    return _convolution(build, node, clipped, shape, weight, build.constant)


def input_scale(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """Two convolutions with equal weights: a mean over channels, and one over the window."""
    x, kernel, groups = build.spatial(inputs[0]), node.attributes["kernel"], shape[0]
    if prod(kernel) * groups > _MOST_TAPS:
        raise ValueError(f"kernel {kernel} of {groups} groups is larger than {_MOST_TAPS} numbers")
    channels, ones = x.shape[0] // groups, [1] * len(kernel)
    across = np.full((groups, channels, *ones), 1 / channels)
    around = np.full((groups, 1, *kernel), 1 / prod(kernel))
    size = build.node(f"{node.name}/abs", "Abs", x.name)
    mean = build.node(
        f"{node.name}/mean",
        "Conv",
        size,
        build.constant(f"{node.name}.across", across),
        kernel_shape=ones,
        group=groups,
    )
    weight = build.constant(f"{node.name}.around", around)
    pads = node.attributes["padding"]
    window = {"kernel_shape": kernel, "pads": [*pads, *pads], "group": groups}
    return Value(build.node(node.name, "Conv", mean, weight, **window, **_steps(node)), shape)


def _convolution(
    build: Builder,
    node: Node,
    x: Value,
    shape: Shape,
    weight: npt.NDArray[np.float32],
    write: Callable[[str, npt.NDArray], str],
) -> Value:
    name, tensors = node.name, node.tensors
    kernel = list(weight.shape[1:-1])
    steps = [("Mul", "scale", tensors.get("scale")), ("Add", "bias", tensors.get("bias"))]
    product = f"{name}/product" if steps[0][2] is not None or steps[1][2] is not None else name
    if _is_linear(node, x, kernel):
        matrix = write(f"{name}.weight", weight.reshape(len(weight), -1).T)
        out = build.node(product, "MatMul", build.flat(x).name, matrix)
        return build.channelwise(name, Value(out, shape, flat=True), *steps)
    source, pads = _border(build, node, build.spatial(x))
    window = {"kernel_shape": kernel, "pads": pads, "group": node.attributes["groups"]}
    parts = [source, write(f"{name}.weight", np.moveaxis(weight, -1, 1))]
    if node.op.startswith("conv") and "bias" in tensors:
        parts.append(build.constant(f"{name}.bias", tensors["bias"]))
        product, steps = name, []
    out = build.node(product, "Conv", *parts, **window, **_steps(node))
    return build.channelwise(name, Value(out, shape), *steps)


def _is_linear(node: Node, x: Value, kernel: list[int]) -> bool:
    """Whether a convolution is a matrix product: one pixel meets one pixel."""
    a = node.attributes
    return prod(x.shape[1:]) == prod(kernel) == 1 == a["groups"] and not any(a["padding"])


def _border(build: Builder, node: Node, x: Value) -> tuple[str, list[int]]:
    """The tensor that a convolution reads, with a border of -1 or +1 around it, and its pads.

    A convolution of ONNX pads with zeros and nothing else.
    """
    padding, value = node.attributes["padding"], node.attributes.get("pad_value", 0)
    if value == 0 or not any(padding):
        return x.name, [*padding, *padding]
    filled = border(build, f"{node.name}/border", x, padding, padding, value)
    return filled, [0] * 2 * len(padding)


def _steps(node: Node) -> dict[str, Any]:
    return {"strides": node.attributes["stride"], "dilations": node.attributes["dilation"]}
