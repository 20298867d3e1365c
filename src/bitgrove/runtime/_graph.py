"""The packed network as data: nodes in order, each with its tensors, checked on the way in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, NoReturn, Self

import numpy as np
import numpy.typing as npt

from .. import _core
from ._precision import RealDtype, as_real_dtype
from ._sharing import find_shared, tensors_of

_NODE_LIMIT = 10_000
_INPUT_LIMIT = 1024
_BYTE_FILTER_LIMIT = 1 << 16
"""Weights of a filter in 8 bits, so that 127 * 255 times as many fit 32 bits."""

Check = Callable[[Any, int], bool]
"""Whether an attribute's value makes sense in a network of so many axes."""


def _is_count(value: Any, axes: int = 0) -> bool:
    return type(value) is int and 0 <= value <= 1 << 24


def _is_number(value: Any, axes: int = 0) -> bool:
    # Python's integers have no limit and its floats are wider than the executor's.
    return type(value) in (int, float) and abs(value) <= 1e30


def _are_counts(value: Any, axes: int) -> bool:
    return isinstance(value, list) and len(value) == axes and all(map(_is_count, value))


def _are_steps(value: Any, axes: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == axes
        and all(_is_number(step) and 1e-6 <= step <= 1 << 24 for step in value)
    )


def _is_step(value: Any, axes: int) -> bool:
    return _is_number(value) and value >= 1e-30


def _is_byte(value: Any, axes: int) -> bool:
    return type(value) is int and 0 <= value <= 255


def _is_bool(value: Any, axes: int) -> bool:
    return isinstance(value, bool)


_WINDOW: dict[str, Check] = {"stride": _are_counts, "padding": _are_counts}
_POOL: dict[str, Check] = {**_WINDOW, "kernel": _are_counts, "ceil": _is_bool}
_ANY_CONVOLUTION: dict[str, Check] = {
    **_WINDOW,
    "dilation": _are_counts,
    "groups": _is_count,
}
_CONVOLUTION: dict[str, Check] = {
    **_ANY_CONVOLUTION,
    "pad_value": lambda value, axes: type(value) is int and -1 <= value <= 1,
}
_REAL = ("float32", "float16")


class Tensor(NamedTuple):
    """Dtypes and number of dimensions: so many, and, if ``sides``, one more for each axis."""

    dtypes: tuple[str, ...] = _REAL
    ndim: int = 1
    sides: bool = False


@dataclass(frozen=True, slots=True)
class OpSpec:
    """What a node of one kind must hold. FORMAT.md says what each kind computes."""

    inputs: int | None = 1
    """How many; None for two or more."""
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    """Roles that may be absent."""
    attributes: Mapping[str, Check] = field(default_factory=dict)
    windowed: bool = False
    """The name in the file ends with the number of axes, as in ``conv2d``."""


_VECTOR = Tensor()
_BINARY_CONVOLUTION = OpSpec(
    tensors={"weight": Tensor(("uint8",), 2, sides=True), "scale": _VECTOR, "bias": _VECTOR},
    optional=frozenset({"scale", "bias"}),
    attributes=_CONVOLUTION,
    windowed=True,
)
# Compared with exact integers, so never in less than float32.
_THRESHOLDS = {"threshold": Tensor(("float32",)), "flip": Tensor(("uint8",))}

OPS: dict[str, OpSpec] = {
    "conv": OpSpec(
        tensors={"weight": Tensor(_REAL, 2, sides=True), "bias": _VECTOR},
        optional=frozenset({"bias"}),
        attributes=_CONVOLUTION,
        windowed=True,
    ),
    "binary_weight_conv": _BINARY_CONVOLUTION,
    "binary_conv": _BINARY_CONVOLUTION,
    "byte_conv": OpSpec(
        tensors={
            "weight": Tensor(("int8",), 2, sides=True),
            "scale": Tensor(("float32",)),  # the product of two steps, too small for float16
            "bias": _VECTOR,
        },
        optional=frozenset({"bias"}),
        attributes={**_ANY_CONVOLUTION, "step": _is_step, "zero": _is_byte},
        windowed=True,
    ),
    "fern_conv": OpSpec(
        tensors={
            "place": Tensor(("int32",)),
            "threshold": Tensor(("float32",)),
            "flip": Tensor(("uint8",)),
            "outside": Tensor(("uint8",)),
            "table": Tensor(("int8",), 4),
            "scale": Tensor(("float32",)),
            "bias": _VECTOR,
        },
        optional=frozenset({"flip", "outside", "scale", "bias"}),
        attributes={**_WINDOW, "kernel": _are_counts, "dilation": _are_counts},
        windowed=True,
    ),
    "sign": OpSpec(
        tensors=_THRESHOLDS, optional=frozenset(_THRESHOLDS), attributes={"groups": _is_count}
    ),
    "binarise": OpSpec(tensors=_THRESHOLDS, optional=frozenset(_THRESHOLDS)),
    "affine": OpSpec(tensors={"scale": _VECTOR, "bias": _VECTOR}),
    "scale_map": OpSpec(tensors={"map": Tensor(_REAL, 1, sides=True)}),
    "input_scale": OpSpec(
        attributes={**_WINDOW, "kernel": _are_counts, "dilation": _are_counts, "groups": _is_count}
    ),
    "multiply": OpSpec(inputs=2),
    "add": OpSpec(inputs=2),
    "concat": OpSpec(inputs=None),
    "relu": OpSpec(),
    "sigmoid": OpSpec(),
    "clip": OpSpec(attributes={"low": _is_number, "high": _is_number, "slope": _is_number}),
    "prelu": OpSpec(
        tensors={"slope": _VECTOR, "before": _VECTOR, "after": _VECTOR},
        optional=frozenset({"before", "after"}),
    ),
    "max_pool": OpSpec(attributes=_POOL, windowed=True),
    "avg_pool": OpSpec(attributes={**_POOL, "count_padding": _is_bool}, windowed=True),
    "adaptive_avg_pool": OpSpec(attributes={"size": _are_counts}),
    "upsample": OpSpec(
        attributes={
            "size": _are_counts,
            "step": _are_steps,
            "mode": lambda value, axes: value in ("nearest", "linear"),
        }
    ),
    "pad": OpSpec(attributes={"before": _are_counts, "after": _are_counts, "value": _is_number}),
    "flatten": OpSpec(),
    "forest": OpSpec(
        tensors={
            "feature": Tensor(("int32",)),
            "threshold": Tensor(("float32",)),
            "children": Tensor(("int32",), 2),
            "root": Tensor(("int32",)),
            "leaf": Tensor(_REAL, 2),
            "bias": _VECTOR,
            "missing": Tensor(("uint8",)),
        },
        optional=frozenset({"bias", "missing"}),
    ),
    "ferns": OpSpec(
        tensors={
            "feature": Tensor(("int32",), 2),
            "other": Tensor(("int32",), 2),
            "threshold": Tensor(("float32",), 2),  # compared with bytes, exactly
            "leaf": Tensor(_REAL, 2),
            "codes": Tensor(("int8",), 2),
            "scale": Tensor(("float32",)),
            "bias": _VECTOR,
        },
        optional=frozenset({"other", "threshold", "leaf", "codes", "scale", "bias"}),
    ),
}
"""By the name of the executor's method."""

_NEUTRAL = {
    "scale": 1.0,
    "bias": 0.0,
    "before": 0.0,
    "after": 0.0,
    "threshold": 0.0,
    "outside": 0,
}
"""What an absent tensor stands for."""


def _methods(axes: int) -> dict[str, str]:
    """The executor's method for every operator's name in a file."""
    return {f"{name}{axes}d" if spec.windowed else name: name for name, spec in OPS.items()}


@dataclass(frozen=True, slots=True)
class Node:
    """One operator. ``inputs`` number values: 0 is the image, node ``i`` makes ``i + 1``."""

    op: str
    name: str
    """Unique; tensors are stored as ``name.role``."""
    inputs: tuple[int, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, npt.NDArray] = field(default_factory=dict, repr=False)

    def check(self, number: int, axes: int) -> None:
        """Raise ``ValueError`` unless this node, the ``number``-th, is well-formed."""
        methods = _methods(axes)
        if self.op not in methods:
            self._refuse(f"unknown operator; known: {', '.join(methods)}")
        spec = OPS[methods[self.op]]
        count = len(self.inputs)
        if spec.inputs is None and not 2 <= count <= _INPUT_LIMIT:
            self._refuse(f"needs 2 to {_INPUT_LIMIT} inputs, has {count}")
        if spec.inputs is not None and count != spec.inputs:
            self._refuse(f"needs {spec.inputs} inputs, has {count}")
        if not all(type(i) is int and 0 <= i <= number for i in self.inputs):
            self._refuse(f"inputs must be earlier values 0 to {number}, got {list(self.inputs)}")
        if self.attributes.keys() != spec.attributes.keys():
            self._refuse(
                f"needs the attributes {sorted(spec.attributes)}, has {sorted(self.attributes)}"
            )
        for key, is_valid in spec.attributes.items():
            if not is_valid(self.attributes[key], axes):
                self._refuse(f"attribute '{key}' cannot be {self.attributes[key]!r}")
        self._check_tensors(spec, axes)

    def widened(self) -> dict[str, npt.NDArray]:
        """The tensors as they are computed with: those in float16 as float32."""
        return {
            role: array.astype(np.float32) if array.dtype == np.float16 else array
            for role, array in self.tensors.items()
        }

    def with_real_dtype(self, dtype: RealDtype, axes: int) -> Node:
        """The node with its real tensors as ``dtype``, but for those that would lose by it."""
        spec = OPS[_methods(axes)[self.op]]
        tensors = {
            role: as_real_dtype(array, dtype, by_filter=role == "weight")
            if spec.tensors[role].dtypes == _REAL
            else array
            for role, array in self.tensors.items()
        }
        return replace(self, tensors=tensors)

    def without_neutral(self, axes: int) -> Node:
        """The node without the tensors that change nothing: scales of 1, biases of 0."""
        spec = OPS[_methods(axes)[self.op]]
        kept = {
            role: array
            for role, array in self.tensors.items()
            if role not in spec.optional or role not in _NEUTRAL or (array != _NEUTRAL[role]).any()
        }
        return replace(self, tensors=kept)

    def _check_tensors(self, spec: OpSpec, axes: int) -> None:
        missing = spec.tensors.keys() - spec.optional - self.tensors.keys()
        unknown = self.tensors.keys() - spec.tensors.keys()
        if missing or unknown:
            self._refuse(f"lacks the tensors {sorted(missing)}, has unknown {sorted(unknown)}")
        for role, array in self.tensors.items():
            dtypes, ndim, sides = spec.tensors[role]
            ndim += axes if sides else 0
            if array.dtype not in dtypes or array.ndim != ndim or 0 in array.shape:
                self._refuse(
                    f"tensor '{role}' must be {' or '.join(dtypes)} with {ndim} dimensions, "
                    f"got {array.dtype} of shape {array.shape}"
                )
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                self._refuse(f"tensor '{role}' holds NaN or infinite numbers")
            if array.dtype == np.int8:
                self._check_bytes(role, array)

    def _check_bytes(self, role: str, array: npt.NDArray[np.int8]) -> None:
        if role == "weight" and array[0].size > _BYTE_FILTER_LIMIT:
            self._refuse(
                f"a filter of '{role}' may have {_BYTE_FILTER_LIMIT} weights, has {array[0].size}"
            )
        if (array == -128).any():
            self._refuse(f"tensor '{role}' must be -127 to 127, holds -128")

    def _refuse(self, reason: str) -> NoReturn:
        raise ValueError(f"node '{self.name}' ({self.op}): {reason}")


@dataclass(frozen=True, slots=True)
class Graph:
    """A network: the shape of its input, its nodes, and which values leave it.

    Args:
        input: channels and sides: (c, l), (c, h, w) or (c, d, h, w).
        nodes: operators in order of execution.
        logits: number of the value that holds the class scores.
        embedding: number of the value that describes the image, for search.

    Raises:
        ValueError: a node or a number is out of range, or shapes do not fit.
    """

    input: tuple[int, ...]
    nodes: tuple[Node, ...]
    logits: int
    embedding: int

    def __post_init__(self) -> None:
        if not 2 <= len(self.input) <= 4 or not all(type(n) is int and n >= 1 for n in self.input):
            raise ValueError(f"input must be channels and 1 to 3 sides, got {self.input}")
        if not 1 <= len(self.nodes) <= _NODE_LIMIT:
            raise ValueError(f"a network has 1 to {_NODE_LIMIT} nodes, got {len(self.nodes)}")
        for number, node in enumerate(self.nodes):
            node.check(number, self.axes)
        if len({node.name for node in self.nodes}) != len(self.nodes):
            raise ValueError("node names must be unique")
        for key in ("logits", "embedding"):
            number = getattr(self, key)
            if type(number) is not int or not 0 <= number <= len(self.nodes):
                raise ValueError(f"{key} must be a value 0 to {len(self.nodes)}, got {number!r}")

    @property
    def axes(self) -> int:
        """Sides of an image: 1, 2 or 3."""
        return len(self.input) - 1

    @property
    def outputs(self) -> list[int]:
        """What a session reads: logits and embedding, each once."""
        return list(dict.fromkeys([self.logits, self.embedding]))

    @property
    def takes_nan(self) -> bool:
        """Whether nothing but forests that know missing values reads the image."""
        readers = [node for node in self.nodes if 0 in node.inputs]
        known = [node.op == "forest" and "missing" in node.tensors for node in readers]
        return bool(known) and all(known) and 0 not in (self.logits, self.embedding)

    def build(self, outputs: list[int]) -> _core.Network:
        """Hand the nodes to the executor, which checks how their shapes fit.

        Raises:
            ValueError: shapes do not fit, or a size is past the executor's limits.
        """
        try:
            network = _core.Network(self.input[0], self.input[1:])
        except (ValueError, OverflowError, TypeError) as error:
            raise ValueError(f"input {self.input}: {error}") from None
        methods = _methods(self.axes)
        for node in self.nodes:
            try:
                _append(network, methods[node.op], node)
            except (ValueError, OverflowError, TypeError) as error:
                raise ValueError(f"node '{node.name}' ({node.op}): {error}") from None
        network.finish(outputs)
        return network

    def with_real_dtype(self, dtype: RealDtype) -> Graph:
        """The network with its real tensors as ``dtype``, but for those that would lose by it."""
        nodes = tuple(node.with_real_dtype(dtype, self.axes) for node in self.nodes)
        return replace(self, nodes=nodes)

    def to_dict(self) -> dict[str, Any]:
        """All but the tensors, as JSON values."""
        shared = find_shared(self._tensors())
        return {
            "input": list(self.input),
            "nodes": [_node_to_dict(node, shared) for node in self.nodes],
            "logits": self.logits,
            "embedding": self.embedding,
        }

    def arrays(self) -> dict[str, npt.NDArray]:
        """Every tensor under its name in the file; those that are the same once."""
        shared = find_shared(self._tensors())
        return {name: array for name, array in self._tensors() if name not in shared}

    def _tensors(self) -> Iterator[tuple[str, npt.NDArray]]:
        for node in self.nodes:
            for role, array in node.tensors.items():
                yield f"{node.name}.{role}", array

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
                    tensors=tensors,
                )
                for node, tensors in zip(
                    values["nodes"], tensors_of(values["nodes"], arrays), strict=True
                )
            )
            return cls(tuple(values["input"]), nodes, values["logits"], values["embedding"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"the network is incomplete: {error!r}") from None


def _node_to_dict(node: Node, shared: Mapping[str, str]) -> dict[str, Any]:
    names = {role: f"{node.name}.{role}" for role in sorted(node.tensors)}
    values = {
        "op": node.op,
        "name": node.name,
        "inputs": list(node.inputs),
        "attributes": node.attributes,
        "tensors": [role for role, name in names.items() if name not in shared],
    }
    borrowed = {role: shared[name] for role, name in names.items() if name in shared}
    return values | ({"shared": borrowed} if borrowed else {})


def _append(network: _core.Network, method: str, node: Node) -> int:
    """Every operator is the executor's method of the same name."""
    if method == "concat":
        return network.concat(node.inputs)
    numbers = node.widened()
    tensors = {role: numbers.get(role) for role in OPS[method].tensors}
    return getattr(network, method)(*node.inputs, **tensors, **node.attributes)
