"""Following a binary layer: its signs, and its integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..nn import BinaryLayer
from ..runtime import Artifact, Graph, Node, Session
from ._verify_layer import Followed, Removable

_CONVOLUTIONS: dict[int, Any] = {
    1: nn.functional.conv1d,
    2: nn.functional.conv2d,
    3: nn.functional.conv3d,
}


class FollowedBinary(Followed):
    """One binary layer of a model, its node, and what the comparison found."""

    module: BinaryLayer

    def __init__(
        self, graph: Graph, module: BinaryLayer, node: Node, tie: float, threads: int
    ) -> None:
        super().__init__(graph, module, node, tie, threads)
        self._sign: Node | None = None
        if module.input_estimator is not None:
            self._sign = graph.nodes[node.inputs[0] - 1]
        self._alone: Session | None = None

    @property
    def values(self) -> list[int]:
        """What of the packed network is looked at: the signs and what they are taken of."""
        return [] if self._sign is None else [self._node.inputs[0], self._sign.inputs[0]]

    def register(self) -> Removable:
        """Be called before the layer."""
        return self.module.register_forward_pre_hook(self._before)

    def _before(self, module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Compare torch's input of the layer; hand on the packed signs where there are ties."""
        self.called()
        x = args[0].detach() if self._sign is None else self._compare_signs(args[0].detach())
        if self.module.weight_estimator is not None:
            self._compare_integers(x)
        return (x, *args[1:])

    def _compare_signs(self, x: Tensor) -> Tensor:
        assert self._sign is not None
        bits, values = (self._packed[number] for number in self.values)
        n = len(x)
        turned = (bits > 0).reshape(n, -1) != (x.numpy() >= 0).reshape(n, -1)
        if not turned.any():
            self.signs += turned.size
            return x
        threshold = self._sign.tensors.get("threshold", np.zeros(1, np.float32))
        margin = np.abs(values - threshold.astype(np.float64).reshape(-1, *[1] * self._axes))
        largest = np.abs(values).reshape(n, -1).max(1, keepdims=True)
        self.count_turned(turned, margin.reshape(n, -1), largest)
        size = x.abs().clamp(min=1e-30)
        wanted = torch.where(torch.from_numpy(bits > 0).reshape(x.shape), size, -size)
        return torch.where(torch.from_numpy(turned).reshape(x.shape), wanted, x)

    def _compare_integers(self, x: Tensor) -> None:
        if x.ndim == 2:
            x = x.reshape(*x.shape, *[1] * self._axes)
        if self._sign is None:
            x = (x * (127 / x.abs().max().clamp(min=1e-30))).round()
        else:
            x = torch.where(x >= 0, 1.0, -1.0)
        expected = self._torch(x).numpy().reshape(len(x), -1)
        if self._alone is None:
            self._alone = self._session(tuple(x.shape[1:]))
        got = self._alone.run(np.ascontiguousarray(x.numpy()))
        self.integers += expected.size
        self.integers_different += int((expected != got.reshape(len(x), -1)).sum())

    def _torch(self, x: Tensor) -> Tensor:
        attributes = self._node.attributes
        border = [side for side in reversed(attributes["padding"]) for _ in range(2)]
        weight = self.module.binary_weight()
        return _CONVOLUTIONS[self._axes](
            nn.functional.pad(x, border, value=attributes["pad_value"]),
            weight if weight.ndim > 2 else weight.reshape(*weight.shape, *[1] * self._axes),
            stride=attributes["stride"],
            dilation=attributes["dilation"],
            groups=attributes["groups"],
        )

    def _session(self, shape: tuple[int, ...]) -> Session:
        """The layer by itself, without scale and bias."""
        attributes, tensors = self._node.attributes, {"weight": self._node.tensors["weight"]}
        nodes = [Node(self._node.op, "layer", (0,), attributes, tensors)]
        if self._sign is not None:
            nodes = [
                Node("sign", "sign", (0,), {"groups": attributes["groups"]}),
                Node(self._node.op, "layer", (1,), attributes, tensors),
            ]
        return Session(Artifact(Graph(shape, tuple(nodes), len(nodes), len(nodes))), self._threads)
