"""An ONNX graph while it is written: plain records, so that none of it needs ``onnx`` itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Dialect = Literal["plain", "qonnx"]

Shape = tuple[int, ...]
"""Channels and sides."""

QONNX_DOMAIN = "qonnx.custom_op.general"
ML_DOMAIN = "ai.onnx.ml"
"""Of ONNX itself, where its trees are."""


class Value(NamedTuple):
    """A value of the packed network, as a tensor of the ONNX graph."""

    name: str
    shape: Shape
    flat: bool = False
    """The tensor is ``(n, c)``, not ``(n, c, sides)``; all sides are 1."""

    @property
    def dims(self) -> Shape:
        """Of the tensor, without the batch."""
        return self.shape[:1] if self.flat else self.shape


@dataclass(slots=True)
class OnnxNode:
    """An operator of ONNX with its one output, whose name is its own."""

    op: str
    inputs: list[str]
    output: str
    attributes: dict[str, Any]
    domain: str


class Builder:
    """Appends nodes and constants under names that are unique.

    Args:
        dialect: how signs are written.
        image: the input.
        reserved: names that no node may have.
    """

    def __init__(self, dialect: Dialect, image: Value, reserved: Sequence[str]) -> None:
        self.dialect: Dialect = dialect
        self.image = image
        self.nodes: list[OnnxNode] = []
        self.constants: dict[str, npt.NDArray] = {}
        self.dims: dict[str, Shape] = {}
        """Of every tensor that holds a value of the packed network, without the batch."""
        self.outputs: dict[str, Shape] = {}
        """Those of them that leave the graph."""
        self._names = {image.name, *reserved}
        self._reshaped: dict[Value, Value] = {}

    def constant(self, name: str, array: npt.ArrayLike) -> str:
        """Add a constant, integers as int64 and all others as float32, and return its name."""
        values = np.asarray(array)
        dtype = np.int64 if values.dtype.kind in "iu" else np.float32
        unique = self._unique(name)
        # not ascontiguousarray, which makes a vector of a scalar
        self.constants[unique] = np.array(values, dtype, order="C")
        return unique

    def per_channel(self, name: str, vector: npt.NDArray, like: Value) -> str:
        """Add a constant with one number for each channel of ``like``."""
        return self.constant(name, vector.reshape(-1, *[1] * (len(like.dims) - 1)))

    def node(self, name: str, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Append an operator and return the name of its output."""
        unique = self._unique(name)
        self.nodes.append(OnnxNode(op, list(inputs), unique, attributes, domain))
        return unique

    def channelwise(
        self, name: str, value: Value, *steps: tuple[str, str, npt.NDArray | None]
    ) -> Value:
        """Append operators with a constant for each channel, one after the other.

        Args:
            name: of the last one.
            value: what the first one reads.
            steps: operator, role of its constant, and the constant; without one there is no step.
        """
        present = [(op, role, vector) for op, role, vector in steps if vector is not None]
        for op, role, vector in present:
            constant = self.per_channel(f"{name}.{role}", vector, value)
            step = name if role == present[-1][1] else f"{name}/{role}"
            value = value._replace(name=self.with_constant(step, op, value.name, constant))
        return value

    def with_constant(self, name: str, op: str, source: str, constant: str) -> str:
        """Append an operator of a tensor and a constant.

        A plain sum or product has the constant first. Where runtimes find it second, they multiply
        it into the weights of a convolution before, whose integers are then rounded: an exact 0 may
        come out below 0, and its sign be turned. FINN looks for it in the second place only.
        """
        first = self.dialect == "plain" and op in ("Add", "Mul")
        return self.node(name, op, *((constant, source) if first else (source, constant)))

    def flat(self, value: Value, name: str | None = None) -> Value:
        """The value as ``(n, c)``: one pixel with all channels of all pixels, channel-major."""
        if value.flat:
            return value
        if value not in self._reshaped:
            flat = self.node(name or f"{value.name}/flat", "Flatten", value.name, axis=1)
            shape = (int(np.prod(value.shape)), *[1] * (len(value.shape) - 1))
            self._reshaped[value] = self.known(Value(flat, shape, flat=True))
        return self._reshaped[value]

    def spatial(self, value: Value) -> Value:
        """The value as ``(n, c, sides)``."""
        if not value.flat:
            return value
        if value not in self._reshaped:
            shape = self.constant(f"{value.name}/shape", [0, *value.shape])  # 0: as it was
            name = self.node(f"{value.name}/spatial", "Reshape", value.name, shape)
            self._reshaped[value] = self.known(Value(name, value.shape))
        return self._reshaped[value]

    def alike(self, values: Sequence[Value]) -> list[Value]:
        """The values with tensors of one rank: flat, if one of them is."""
        return [self.flat(v) for v in values] if any(v.flat for v in values) else list(values)

    def known(self, value: Value) -> Value:
        """Note the shape of a value's tensor for the readers of the file."""
        self.dims[value.name] = value.dims
        return value

    def set_outputs(self, outputs: Mapping[str, Value]) -> None:
        """Let the tensors of these values leave the graph under these names."""
        made = {node.output for node in self.nodes}
        names: dict[str, str] = {}
        for name, value in outputs.items():
            if value.name in made and value.name not in names:
                names[value.name] = name
            else:  # the image itself, or what leaves under another name already
                self.nodes.append(OnnxNode("Identity", [value.name], name, {}, ""))
        for node in self.nodes:
            node.output = names.get(node.output, node.output)
            node.inputs = [names.get(i, i) for i in node.inputs]
        self.dims = {names.get(name, name): dims for name, dims in self.dims.items()}
        self.outputs = {name: value.dims for name, value in outputs.items()}

    def _unique(self, name: str) -> str:
        # A file may hold any name, an empty one and half a surrogate pair included.
        name = name.encode(errors="replace").decode() or "value"
        unique, count = name, 1
        while unique in self._names:
            count += 1
            unique = f"{name}#{count}"
        self._names.add(unique)
        return unique
