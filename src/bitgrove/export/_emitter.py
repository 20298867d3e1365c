"""Collects the nodes of a packed graph while a traced model is walked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..runtime import Node
from ._thresholds import fold_sign

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d


@dataclass(frozen=True)
class Folded:
    """A batch norm that only signs read: not computed, but part of their thresholds."""

    value: int
    norm: BatchNorm


class Emitter:
    """Appends nodes and returns the numbers of the values they make."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._signs: dict[tuple[int | Folded, int], int] = {}
        self._names: set[str] = set()

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

    def sign(self, source: int | Folded, groups: int, channels: int, name: str) -> int:
        """The bits of a value, packed for convolutions of ``groups``; computed once."""
        key = (source, groups)
        if key not in self._signs:
            threshold = flip = None
            value = source
            if isinstance(source, Folded):
                value, norm = source.value, source.norm
                threshold, flip = fold_sign(lambda x: _apply(norm, x), channels)
            self._signs[key] = self.add(
                "sign",
                f"{name}.sign",
                value,  # pyright: ignore[reportArgumentType]
                attributes={"groups": groups},
                threshold=threshold,
                flip=flip,
            )
        return self._signs[key]

    def norm(self, value: int, norm: BatchNorm, name: str, *, only_reader: bool) -> int:
        """A batch norm: into the convolution before it, if nobody else reads that, else alone."""
        scale, bias = _affine(norm)
        node = self.nodes[value - 1] if value else None
        if node is None or not only_reader or node.op not in _FOLDABLE:
            return self.add("affine", name, value, scale=scale, bias=bias)
        tensors = node.tensors
        before = tensors.get("bias", np.zeros(len(scale), np.float32)).astype(np.float64)
        tensors["bias"] = (before * scale + bias).astype(np.float32)
        if node.op == "conv2d":
            scaled = tensors["weight"] * scale[:, None, None, None]
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


_FOLDABLE = ("conv2d", "binary_conv2d", "binary_weight_conv2d")


def to_numpy(tensor: npt.NDArray | Tensor) -> npt.NDArray:
    """A contiguous array; floating-point numbers become ``float32``."""
    if isinstance(tensor, Tensor):
        tensor = tensor.detach().cpu().numpy()
    if tensor.dtype.kind == "f":
        tensor = tensor.astype(np.float32)
    return np.ascontiguousarray(tensor)


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


def _apply(norm: BatchNorm, x: Tensor) -> Tensor:
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
