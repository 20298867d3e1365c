"""Random ferns in ONNX: comparisons, numbers of leaves, and rows of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..runtime import Node
from ._onnx_builder import Builder, Shape, Value


def ferns(build: Builder, node: Node, inputs: Sequence[Value], shape: Shape) -> Value:
    """The leaves of all ferns at every pixel, gathered and added up.

    Numbers of leaves are made in float32, where they are exact: below 2**24 leaves in all.
    """
    name, tensors, x = node.name, node.tensors, inputs[0]
    count, depth = tensors["feature"].shape
    if count << depth > 1 << 24:
        raise ValueError(f"{count << depth} leaves are more than {1 << 24}")
    rows = _channels_last(build, f"{name}/rows", x)
    first = _asked(build, f"{name}/first", rows, f"{name}.feature", tensors["feature"])
    if "other" in tensors:
        second = _asked(build, f"{name}/second", rows, f"{name}.other", tensors["other"])
    else:
        threshold = tensors.get("threshold", np.zeros((count, depth), np.float32))
        second = build.constant(f"{name}.threshold", threshold)
    above = build.node(f"{name}/above", "Greater", first, second)
    answers = build.node(f"{name}/answers", "Cast", above, to=1)  # FLOAT
    bits = build.constant(f"{name}.bits", np.float32(2.0) ** np.arange(depth, dtype=np.float32))
    weighed = build.node(f"{name}/weighed", "Mul", answers, bits)
    within = build.node(f"{name}/within", "ReduceSum", weighed, axes=[-1], keepdims=0)
    starts = build.constant(f"{name}.starts", np.float32(1 << depth) * np.arange(count))
    places = build.node(f"{name}/places", "Add", within, starts)
    whole = build.node(f"{name}/leaf", "Cast", places, to=7)  # INT64
    table = tensors["leaf"] if "leaf" in tensors else tensors["codes"].astype(np.float32)
    found = build.node(
        f"{name}/found", "Gather", build.constant(f"{name}.table", table), whole, axis=0
    )
    sums = build.node(f"{name}/sums", "ReduceSum", found, axes=[-2], keepdims=0)
    for op, role in (("Mul", "scale"), ("Add", "bias")):
        if role in tensors:
            sums = build.with_constant(
                f"{name}/{role}ed", op, sums, build.constant(f"{name}.{role}", tensors[role])
            )
    if x.flat:
        return Value(build.node(name, "Identity", sums), shape, flat=True)
    order = [0, len(shape), *range(1, len(shape))]
    return Value(build.node(name, "Transpose", sums, perm=order), shape)


def _channels_last(build: Builder, name: str, x: Value) -> str:
    if x.flat:
        return x.name
    return build.node(name, "Transpose", x.name, perm=[0, *range(2, len(x.shape) + 1), 1])


def _asked(build: Builder, name: str, rows: str, role: str, columns: np.ndarray) -> str:
    """The channels of all questions, ``[..., ferns, depth]``."""
    return build.node(name, "Gather", rows, build.constant(role, columns), axis=-1)
