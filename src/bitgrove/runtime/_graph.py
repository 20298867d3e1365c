"""The packed network as data: nodes in order, each with its tensors, checked on the way in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Self

import numpy as np
import numpy.typing as npt

from .. import _core

_NODE_LIMIT = 10_000

Check = Callable[[Any], bool]


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 1 << 24


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_count, value))


_WINDOW: dict[str, Check] = {"stride": _is_pair, "padding": _is_pair}
_CONVOLUTION: dict[str, Check] = {
    **_WINDOW,
    "dilation": _is_pair,
    "groups": _is_count,
    "pad_value": lambda value: type(value) is int and -1 <= value <= 1,
}


@dataclass(frozen=True, slots=True)
class OpSpec:
    """What a node of one kind must hold. FORMAT.md says what each kind computes."""

    inputs: int = 1
    tensors: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Dtype and number of dimensions by role."""
    optional: frozenset[str] = frozenset()
    """Roles that may be absent."""
    attributes: Mapping[str, Check] = field(default_factory=dict)


_SCALE, _BIAS = ("float32", 1), ("float32", 1)

OPS: dict[str, OpSpec] = {
    "conv2d": OpSpec(
        tensors={"weight": ("float32", 4), "bias": _BIAS},
        optional=frozenset({"bias"}),
        attributes=_CONVOLUTION,
    ),
    "binary_weight_conv2d": OpSpec(
        tensors={"weight": ("uint8", 4), "scale": _SCALE, "bias": _BIAS},
        optional=frozenset({"scale", "bias"}),
        attributes=_CONVOLUTION,
    ),
    "binary_conv2d": OpSpec(
        tensors={"weight": ("uint8", 4), "scale": _SCALE, "bias": _BIAS},
        optional=frozenset({"scale", "bias"}),
        attributes=_CONVOLUTION,
    ),
    "sign": OpSpec(
        tensors={"threshold": ("float32", 1), "flip": ("uint8", 1)},
        optional=frozenset({"threshold", "flip"}),
        attributes={"groups": _is_count},
    ),
    "affine": OpSpec(tensors={"scale": _SCALE, "bias": _BIAS}),
    "scale_map": OpSpec(tensors={"map": ("float32", 3)}),
    "input_scale": OpSpec(
        attributes={**_WINDOW, "kernel": _is_pair, "dilation": _is_pair, "groups": _is_count}
    ),
    "binarise": OpSpec(),
    "multiply": OpSpec(inputs=2),
    "add": OpSpec(inputs=2),
    "relu": OpSpec(),
    "hardtanh": OpSpec(),
    "prelu": OpSpec(tensors={"slope": ("float32", 1)}),
    "max_pool2d": OpSpec(attributes={**_WINDOW, "kernel": _is_pair}),
    "avg_pool2d": OpSpec(
        attributes={
            **_WINDOW,
            "kernel": _is_pair,
            "count_padding": lambda value: isinstance(value, bool),
        }
    ),
    "global_avg_pool": OpSpec(),
    "flatten": OpSpec(),
}


@dataclass(frozen=True, slots=True)
class Node:
    """One operator. ``inputs`` number values: 0 is the image, node ``i`` makes ``i + 1``."""

    op: str
    name: str
    """Unique; tensors are stored as ``name.role``."""
    inputs: tuple[int, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, npt.NDArray] = field(default_factory=dict)

    def check(self, number: int) -> None:
        """Raise ``ValueError`` unless this node, the ``number``-th, is well-formed."""
        spec = OPS.get(self.op)
        if spec is None:
            self._refuse(f"unknown operator; known: {', '.join(OPS)}")
        if len(self.inputs) != spec.inputs:
            self._refuse(f"needs {spec.inputs} inputs, has {len(self.inputs)}")
        if not all(type(i) is int and 0 <= i <= number for i in self.inputs):
            self._refuse(f"inputs must be earlier values 0 to {number}, got {list(self.inputs)}")
        if self.attributes.keys() != spec.attributes.keys():
            self._refuse(
                f"needs the attributes {sorted(spec.attributes)}, has {sorted(self.attributes)}"
            )
        for key, is_valid in spec.attributes.items():
            if not is_valid(self.attributes[key]):
                self._refuse(f"attribute '{key}' cannot be {self.attributes[key]!r}")
        self._check_tensors(spec)

    def _check_tensors(self, spec: OpSpec) -> None:
        missing = spec.tensors.keys() - spec.optional - self.tensors.keys()
        unknown = self.tensors.keys() - spec.tensors.keys()
        if missing or unknown:
            self._refuse(f"lacks the tensors {sorted(missing)}, has unknown {sorted(unknown)}")
        for role, array in self.tensors.items():
            dtype, ndim = spec.tensors[role]
            if array.dtype != dtype or array.ndim != ndim or 0 in array.shape:
                self._refuse(
                    f"tensor '{role}' must be {dtype} with {ndim} dimensions, "
                    f"got {array.dtype} of shape {array.shape}"
                )
            if array.dtype == np.float32 and not np.isfinite(array).all():
                self._refuse(f"tensor '{role}' holds NaN or infinite numbers")

    def _refuse(self, reason: str) -> NoReturn:
        raise ValueError(f"node '{self.name}' ({self.op}): {reason}")


@dataclass(frozen=True, slots=True)
class Graph:
    """A network: the shape of its input, its nodes, and which values leave it.

    Args:
        input: channels, height and width of an image.
        nodes: operators in order of execution.
        logits: number of the value that holds the class scores.
        embedding: number of the value that describes the image, for search.

    Raises:
        ValueError: a node or a number is out of range, or shapes do not fit.
    """

    input: tuple[int, int, int]
    nodes: tuple[Node, ...]
    logits: int
    embedding: int

    def __post_init__(self) -> None:
        if len(self.input) != 3 or not all(type(n) is int and n >= 1 for n in self.input):
            raise ValueError(f"input must be channels, height and width, got {self.input}")
        if not 1 <= len(self.nodes) <= _NODE_LIMIT:
            raise ValueError(f"a network has 1 to {_NODE_LIMIT} nodes, got {len(self.nodes)}")
        for number, node in enumerate(self.nodes):
            node.check(number)
        if len({node.name for node in self.nodes}) != len(self.nodes):
            raise ValueError("node names must be unique")
        for key in ("logits", "embedding"):
            number = getattr(self, key)
            if type(number) is not int or not 0 <= number <= len(self.nodes):
                raise ValueError(f"{key} must be a value 0 to {len(self.nodes)}, got {number!r}")

    @property
    def outputs(self) -> list[int]:
        """What a session reads: logits and embedding, each once."""
        return list(dict.fromkeys([self.logits, self.embedding]))

    def build(self, outputs: list[int]) -> _core.Network:
        """Hand the nodes to the executor, which checks how their shapes fit.

        Raises:
            ValueError: shapes do not fit, or a size is past the executor's limits.
        """
        try:
            network = _core.Network(*self.input)
        except (ValueError, OverflowError, TypeError) as error:
            raise ValueError(f"input {self.input}: {error}") from None
        for node in self.nodes:
            try:
                _append(network, node)
            except (ValueError, OverflowError, TypeError) as error:
                raise ValueError(f"node '{node.name}' ({node.op}): {error}") from None
        network.finish(outputs)
        return network

    def to_dict(self) -> dict[str, Any]:
        """All but the tensors, as JSON values."""
        return {
            "input": list(self.input),
            "nodes": [
                {
                    "op": node.op,
                    "name": node.name,
                    "inputs": list(node.inputs),
                    "attributes": node.attributes,
                    "tensors": sorted(node.tensors),
                }
                for node in self.nodes
            ],
            "logits": self.logits,
            "embedding": self.embedding,
        }

    def arrays(self) -> dict[str, npt.NDArray]:
        """Every tensor under its name in the file."""
        return {
            f"{node.name}.{role}": array
            for node in self.nodes
            for role, array in node.tensors.items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], arrays: Mapping[str, npt.NDArray]) -> Self:
        """The inverse of :meth:`to_dict` and :meth:`arrays`.

        Raises:
            ValueError: anything is missing, of the wrong type, or out of range.
        """
        try:
            nodes = tuple(
                Node(
                    op=str(node["op"]),
                    name=str(node["name"]),
                    inputs=tuple(node["inputs"]),
                    attributes=dict(node["attributes"]),
                    tensors={role: arrays[f"{node['name']}.{role}"] for role in node["tensors"]},
                )
                for node in values["nodes"]
            )
            return cls(tuple(values["input"]), nodes, values["logits"], values["embedding"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"the network is incomplete: {error!r}") from None


def _append(network: _core.Network, node: Node) -> int:
    """Every operator but one is the executor's method of the same name."""
    roles = OPS[node.op].tensors
    tensors = {role: node.tensors.get(role) for role in roles}
    if node.op == "binary_weight_conv2d":
        channels = network.shape(node.inputs[0])[0] // max(node.attributes["groups"], 1)
        weight = signs_from_bits(node.tensors["weight"], channels)
        if tensors["scale"] is not None:
            if len(tensors["scale"]) != len(weight):
                raise ValueError("scale must have one number per channel")
            weight *= tensors["scale"][:, None, None, None]
        return network.conv2d(*node.inputs, weight=weight, bias=tensors["bias"], **node.attributes)
    return getattr(network, node.op)(*node.inputs, **tensors, **node.attributes)


def signs_from_bits(packed: npt.NDArray[np.uint8], channels: int) -> npt.NDArray[np.float32]:
    """Filters ``uint8[..., ceil(channels / 8)]`` as +1 and -1, ``float32[..., channels]``.

    Raises:
        ValueError: the width does not hold that many channels.

    >>> signs_from_bits(np.array([[0b10100000]], np.uint8), 3)
    array([[ 1., -1.,  1.]], dtype=float32)
    """
    if packed.shape[-1] != (channels + 7) // 8:
        raise ValueError(
            f"{channels} channels need {(channels + 7) // 8} bytes, got {packed.shape}"
        )
    return np.unpackbits(packed, axis=-1, count=channels).astype(np.float32) * 2 - 1
