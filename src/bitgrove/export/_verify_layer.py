"""Following a layer of a model while torch runs it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import nn

from ..runtime import Graph, Node


class Removable(Protocol):
    """What torch gives for a hook."""

    def remove(self) -> None:
        """Take the hook away."""
        ...


class Followed:
    """One layer of a model, its node, and what the comparison found.

    Attributes:
        integers: results compared, the layer alone and given what the packed one reads.
        integers_different: of them.
        signs: answers to comparisons, of torch's input of the layer and of the packed one.
        signs_turned: those that differ because of rounding: they are at their threshold.
        signs_different: those that differ otherwise.
    """

    def __init__(
        self, graph: Graph, module: nn.Module, node: Node, tie: float, threads: int
    ) -> None:
        self.name = node.name
        self.module = module
        self.integers = self.integers_different = 0
        self.signs = self.signs_turned = self.signs_different = 0
        self._axes = graph.axes
        self._node = node
        self._tie = tie
        self._threads = threads
        self._called = True
        self._packed: dict[int, npt.NDArray[np.float32]] = {}
        self._tied = np.zeros(0, bool)

    @property
    def values(self) -> list[int]:
        """What of the packed network is looked at: what the node reads."""
        return [self._node.inputs[0]]

    def begin(self, packed: dict[int, npt.NDArray[np.float32]], tied: npt.NDArray) -> None:
        """Await a call: ``packed`` are the values of the images, ``tied`` is where to mark them."""
        self._packed, self._tied, self._called = packed, tied, False

    def called(self) -> None:
        """Note a call of the layer.

        Raises:
            ValueError: it is the second.
        """
        if self._called:
            raise ValueError(
                f"layer '{self.name}' is called twice, and one call of a layer is followed: put "
                "copy.deepcopy of it where it is called again, then pack and verify that model"
            )
        self._called = True

    def register(self) -> Removable:
        """Be called by torch when the layer is."""
        raise NotImplementedError

    def count_turned(
        self, turned: npt.NDArray[np.bool_], margin: npt.NDArray, largest: npt.NDArray
    ) -> None:
        """Count answers; those at their threshold are ties.

        Args:
            turned: where torch and the packed model answer differently, ``[images, k]``.
            margin: how far what the packed model compares is from the threshold, as many.
            largest: of what it compares in each image, ``[images, 1]``.
        """
        self.signs += turned.size
        small = margin <= self._tie * largest
        self.signs_turned += int((turned & small).sum())
        self.signs_different += int((turned & ~small).sum())
        self._tied |= (turned & small).any(1)
