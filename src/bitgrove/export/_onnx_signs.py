"""How +1 and -1 are written, in either dialect: binary weights, and the sign of a value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..runtime import Node
from ._onnx_builder import QONNX_DOMAIN, Builder, Value


def binary_weights(build: Builder, name: str, signs: npt.NDArray[np.float32]) -> str:
    """A tensor of +1 and -1.

    In QONNX its quantiser has the scale 1, so that its type is found to be BIPOLAR; the channels'
    scales are multiplied to what the layer returns. That is the form to which FINN's
    ``FoldQuantWeights`` brings any other.
    """
    weight = build.constant(name, signs)
    return weight if build.dialect == "plain" else _bipolar(build, f"{name}/signs", weight)


def sign(build: Builder, node: Node, inputs: Sequence[Value], shape: tuple[int, ...]) -> Value:
    """``sign`` and ``binarise``: +1 from the threshold on and -1 below, some channels flipped.

    ONNX has a ``Sign`` of its own, which makes 0 of 0 and is of no use here.
    """
    (x,) = inputs
    threshold = node.tensors.get("threshold", np.zeros(shape[0], np.float32))
    flip = np.zeros(shape[0], bool)
    if "flip" in node.tensors:
        flip = np.unpackbits(node.tensors["flip"], count=shape[0]).astype(bool)
    write = _compare if build.dialect == "plain" else _quantise
    return Value(write(build, node.name, x, threshold, flip), shape, x.flat)


def _compare(
    build: Builder, name: str, x: Value, threshold: npt.NDArray, flip: npt.NDArray[np.bool_]
) -> str:
    """A comparison that takes one of two constants, the other one where a channel is flipped.

    Two comparisons, as opset 11 has none for both: NaN, which what is infinite may leave, is below
    every threshold, as in the packed model.
    """
    at = build.per_channel(f"{name}.threshold", threshold, x)
    signs = np.where(flip, -1.0, 1.0) if flip.any() else np.ones(1)
    above = build.per_channel(f"{name}.above", signs, x)
    below = build.per_channel(f"{name}.below", -signs, x)
    more = build.node(f"{name}/more", "Greater", x.name, at)
    equal = build.node(f"{name}/equal", "Equal", x.name, at)
    reached = build.node(f"{name}/reached", "Or", more, equal)
    return build.node(name, "Where", reached, above, below)


def _quantise(
    build: Builder, name: str, x: Value, threshold: npt.NDArray, flip: npt.NDArray[np.bool_]
) -> str:
    """The threshold is taken away, and ``BipolarQuant`` makes +1 of 0 and of what is above.

    In float32 ``x - t`` is 0 for equal numbers only, so the comparison is exact. A channel is
    flipped by the sign of what comes in, not of what goes out: its type stays BIPOLAR, and FINN's
    ``Absorb1BitMulIntoConv`` knows what to do. With ``p`` the float before ``t``, ``not x >= t`` is
    ``x <= p``, thus ``-x + p >= 0``. NaN becomes -1 in every channel, where the packed model has +1
    in a flipped one.
    """
    value = x.name
    with np.errstate(over="ignore"):  # a channel that is always -1 may have its offset at -inf
        before = np.nextafter(threshold, np.float32(-np.inf))
    offset = np.where(flip, before, -threshold)
    if flip.any():
        signs = build.per_channel(f"{name}.flip", np.where(flip, -1.0, 1.0), x)
        value = build.node(f"{name}/flipped", "Mul", value, signs)
    if offset.any():
        value = build.node(
            f"{name}/shifted", "Add", value, build.per_channel(f"{name}.offset", offset, x)
        )
    return _bipolar(build, name, value)


def _bipolar(build: Builder, name: str, value: str) -> str:
    scale = build.constant(f"{name}.one", 1.0)
    return build.node(name, "BipolarQuant", value, scale, domain=QONNX_DOMAIN)
