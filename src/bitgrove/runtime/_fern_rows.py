"""Random ferns on many rows at once, where a network is nothing else."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Self, final

import numpy as np
import numpy.typing as npt

from ..kernels import Ferns
from ._graph import Graph, Node

MANY = 64
"""Images from which on a table that is read for all of them pays."""


@final
class FernRows:
    """A network of one pixel of ferns, run a table at a time; to the last bit the same.

    Args:
        ferns: the node.
        spread: which sum each logit is, ``float32[logits, sums]`` of zeros and ones, or None.
    """

    def __init__(self, ferns: Node, spread: npt.NDArray[np.float32] | None) -> None:
        self._node = ferns
        self._spread = spread

    @classmethod
    def of(cls, graph: Graph) -> Self | None:
        """What :func:`bitgrove.export.pack_ferns` makes, perhaps of an image; None for the rest."""
        nodes = list(graph.nodes)
        chained = all(node.inputs == (number,) for number, node in enumerate(nodes))
        if not chained or not graph.logits == graph.embedding == len(nodes):
            return None
        if nodes[0].op == "flatten":
            del nodes[0]
        elif math.prod(graph.input[1:]) != 1:
            return None
        if not nodes or nodes[0].op != "ferns" or len(nodes) > 2:
            return None
        if len(nodes) == 1:
            return cls(nodes[0], None)
        spread = _choice(nodes[1], graph.axes)
        return None if spread is None else cls(nodes[0], spread)

    def run(self, x: npt.NDArray[np.float32], threads: int) -> npt.NDArray[np.float32]:
        """Logits ``float32[n, logits]`` of images that were checked."""
        rows = np.ascontiguousarray(x).reshape(len(x), -1)
        scores = self._ferns.votes(rows, threads=threads).astype(np.float32, copy=False)
        tensors = self._tensors
        if "scale" in tensors:
            scores = scores * tensors["scale"]
        if "bias" in tensors:
            scores = scores + tensors["bias"]
        if self._spread is not None:
            scores = scores @ self._spread.T
        return np.ascontiguousarray(scores)

    @cached_property
    def _tensors(self) -> dict[str, npt.NDArray]:
        return self._node.widened()

    @cached_property
    def _ferns(self) -> Ferns:
        tensors = self._tensors
        threshold, other = tensors.get("threshold"), tensors.get("other")
        if threshold is None and other is None:
            threshold = np.zeros(tensors["feature"].shape, np.float32)
        table = tensors["leaf"] if "leaf" in tensors else tensors["codes"]
        return Ferns(tensors["feature"], threshold, other, table)


def _choice(node: Node, axes: int) -> npt.NDArray[np.float32] | None:
    """The weight of a convolution of one pixel whose every output is one input, or zero."""
    if node.op != f"conv{axes}d" or "bias" in node.tensors or node.attributes["groups"] != 1:
        return None
    if any(node.attributes["padding"]):
        return None
    weight = node.widened()["weight"]
    if weight[..., 0].size != len(weight):
        return None
    weight = weight.reshape(len(weight), -1)
    one_of = np.isin(weight, (0, 1)).all() and (weight.sum(1) <= 1).all()
    return weight if one_of else None
