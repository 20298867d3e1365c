"""The heads that are compared, each with the settings that validation chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from ...nn import MultiScaleForest
from ._network import CHANNELS, ConvolutionHead, LinearHead


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A head and how it is trained."""

    name: str
    title: str
    kind: Literal["forest", "linear", "convolution"]
    lr: float
    """Adam's; of a forest it is divided by the number of its trees."""
    epochs: int
    trees: tuple[int, ...] = (128, 128, 128)
    depth: int = 5
    quantiles: bool = False
    """Whether thresholds are quantiles of the maps instead of 0."""
    relu: bool = True
    """Whether the linear head reads the maps after their ReLU."""


ARMS = (
    Arm(name="forest", title="Residual forest", kind="forest", lr=1.0, epochs=6),
    Arm(name="linear", title="1x1 convolution", kind="linear", lr=0.03, epochs=12),
    Arm(name="convolution", title="Small FCN head", kind="convolution", lr=0.003, epochs=2),
)


def make_head(arm: Arm, classes: int, seed: int) -> nn.Module:
    """The head with its starting weights; torch's seed is the caller's."""
    if arm.kind == "forest":
        return MultiScaleForest(CHANNELS, classes, trees=arm.trees, depth=arm.depth, seed=seed)
    if arm.kind == "linear":
        return LinearHead(classes, relu=arm.relu)
    return ConvolutionHead(classes)


class Inputs:
    """What the head is trained on: the maps, or the leaves that their pixels reach."""

    def __init__(self, arm: Arm, head: nn.Module, maps: Sequence[Tensor], seed: int) -> None:
        self._head: Any = head
        self._forest = arm.kind == "forest"
        if self._forest and arm.quantiles:
            self._head.fit_thresholds([x[:32] for x in maps], seed=seed)
        self._stored = self._head.route(maps) if self._forest else list(maps)

    def logits(self, rows: Tensor) -> Tensor:
        """Of some images."""
        some = [x[rows] for x in self._stored]
        return self._head.routed_logits(some) if self._forest else self._head(some)


def groups_of(arm: Arm, head: nn.Module) -> list[dict[str, Any]]:
    """Parameters with their rates."""
    if arm.kind != "forest":
        return [{"params": list(head.parameters()), "lr": arm.lr}]
    heads: Any = head
    return [{"params": list(h.parameters()), "lr": arm.lr / h.trees} for h in heads.heads]
