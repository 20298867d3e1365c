"""Collects the nodes of a packed graph while a traced model is walked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..runtime import Node
from ._thresholds import fold_sign

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm


@dataclass(frozen=True, eq=False)
class Folded:
    """A function of a value that only signs read: not computed, but part of their thresholds."""

    value: int
    channels: int
    function: Callable[[Tensor], Tensor]
    """Monotone in each channel, on ``float32[m, channels]``, in the arithmetic of the model."""
    realise: Callable[[], int]
    """Computes it after all, for one who wants the numbers, and returns the value."""

    def then(self, function: Callable[[Tensor], Tensor], realise: Callable[[int], int]) -> Folded:
        """This and then another function; ``realise`` computes the other one alone."""
        return Folded(
            self.value,
            self.channels,
            lambda x: function(self.function(x)),
            lambda: realise(self.realise()),
        )

    def flattened(self, value: int, pixels: int, realise: Callable[[int], int]) -> Folded:
        """The same function of ``value``, the flattened one: channel-major, ``pixels`` of each."""

        def function(x: Tensor) -> Tensor:
            rows = x.unflatten(1, (self.channels, pixels)).movedim(2, 1)
            y = self.function(rows.flatten(0, 1))
            return y.unflatten(0, (len(x), pixels)).movedim(1, 2).flatten(1)

        return Folded(value, self.channels * pixels, function, lambda: realise(self.realise()))


class Emitter:
    """Appends nodes and returns the numbers of the values they make.

    Args:
        axes: sides of an image: 1, 2 or 3.
    """

    def __init__(self, axes: int) -> None:
        self.axes = axes
        self.nodes: list[Node] = []
        self._signs: dict[tuple[str, int | Folded, int], int] = {}
        self._names: set[str] = set()
        self._foldable = {
            f"{op}{axes}d": op for op in ("conv", "binary_conv", "binary_weight_conv", "fern_conv")
        }

    def add(
        self,
        op: str,
        name: str,
        *inputs: int,
        attributes: dict[str, Any] | None = None,
        **tensors: npt.NDArray | Tensor | None,
    ) -> int:
        """Append a node; a tensor that is None is absent."""
        arrays = {role: to_numpy(t) for role, t in tensors.items() if t is not None}
        self.nodes.append(Node(op, self._unique(name), inputs, attributes or {}, arrays))
        return len(self.nodes)

    def windowed(
        self,
        op: str,
        name: str,
        value: int,
        attributes: dict[str, Any],
        **tensors: npt.NDArray | Tensor | None,
    ) -> int:
        """Append a node whose operator's name ends with the number of axes."""
        return self.add(f"{op}{self.axes}d", name, value, attributes=attributes, **tensors)

    def sign(self, source: int | Folded, groups: int, name: str) -> int:
        """The bits of a value, packed for convolutions of ``groups``; computed once."""
        return self._sign("sign", source, groups, name, {"groups": groups})

    def binarise(self, source: int | Folded, name: str) -> int:
        """The sign of a value as +1.0 and -1.0; computed once."""
        return self._sign("binarise", source, 1, name, {})

    def _sign(
        self, op: str, source: int | Folded, groups: int, name: str, attributes: dict[str, Any]
    ) -> int:
        key = (op, source, groups)
        if key not in self._signs:
            threshold = flip = None
            value = source
            if isinstance(source, Folded):
                value = source.value
                threshold, flip = fold_sign(source.function, source.channels)
            self._signs[key] = self.add(
                op,
                f"{name}.sign",
                value,  # pyright: ignore[reportArgumentType]
                attributes=attributes,
                threshold=threshold,
                flip=flip,
            )
        return self._signs[key]

    def norm(self, value: int, norm: BatchNorm, name: str, *, only_reader: bool) -> int:
        """A batch norm: into the convolution before it, if nobody else reads that, else alone."""
        scale, bias = _affine(norm)
        node = self.nodes[value - 1] if value else None
        if node is None or not only_reader or node.op not in self._foldable:
            return self.add("affine", name, value, scale=scale, bias=bias)
        tensors = node.tensors
        before = tensors.get("bias", np.zeros(len(scale), np.float32)).astype(np.float64)
        tensors["bias"] = (before * scale + bias).astype(np.float32)
        if self._foldable[node.op] == "conv":
            scaled = tensors["weight"] * scale.reshape(-1, *[1] * (self.axes + 1))
            tensors["weight"] = scaled.astype(np.float32)
        else:
            scaled = tensors.get("scale", np.ones(len(scale), np.float32)) * scale
            tensors["scale"] = scaled.astype(np.float32)
        return value

    def _unique(self, name: str) -> str:
        unique, count = name, 1
        while unique in self._names:
            count += 1
            unique = f"{name}#{count}"
        self._names.add(unique)
        return unique


def to_numpy(tensor: npt.NDArray | Tensor) -> npt.NDArray:
    """A contiguous array; floating-point numbers become ``float32``."""
    if isinstance(tensor, Tensor):
        tensor = tensor.detach().cpu().numpy()
    if tensor.dtype.kind == "f":
        tensor = tensor.astype(np.float32)
    return np.ascontiguousarray(tensor)


def apply_norm(norm: BatchNorm, x: Tensor) -> Tensor:
    """The module's own eval-mode arithmetic on ``float32[m, channels]``."""
    return torch.nn.functional.batch_norm(
        x,
        norm.running_mean,
        norm.running_var,
        norm.weight,
        norm.bias,
        training=False,
        eps=norm.eps,
    )


def _affine(norm: BatchNorm) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The batch norm as ``x * scale + bias``, in float64."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without running statistics cannot be packed")
    mean = norm.running_mean.detach().double()
    scale = (norm.running_var.detach().double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.detach().double()
    bias = -mean * scale
    if norm.bias is not None:
        bias = bias + norm.bias.detach().double()
    return scale.cpu().numpy(), bias.cpu().numpy()
