"""How long each part of a packed network takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _core
from ._graph import Graph


class StageProfile(NamedTuple):
    """One pass of the executor over an image: operators that are run as one."""

    name: str
    """Names of the nodes that are part of it, joined by ``+``; ``input`` for the image's copy."""
    ops: str
    """Their operators, likewise."""
    seconds: float
    """The shortest of the repetitions."""
    binary_macs: float
    """Products of two signs."""
    real_macs: float
    """Products of real numbers, of which one factor may be a sign."""
    bytes: int
    """Values and weights read or written, each once."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What :meth:`Session.profile` measured."""

    level: str
    """The SIMD level that the network uses."""
    threads: int
    stages: tuple[StageProfile, ...]
    """In order of execution."""

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(stage.seconds for stage in self.stages)


def profile_graph(
    network: _core.Network, graph: Graph, x: npt.NDArray[np.float32], repeats: int, threads: int
) -> Profile:
    """Time the stages of a built graph on one image ``float32[1, c, sides]``."""
    stages: list[StageProfile] = []
    for numbers, seconds, binary, real, size in network.profile(x, repeats, threads):
        nodes = [graph.nodes[number] for number in sorted(set(numbers))]
        name = "+".join(node.name for node in nodes) or "input"
        ops = "+".join(node.op for node in nodes) or "input"
        stages.append(StageProfile(name, ops, seconds, binary, real, size))
    return Profile(network.level, threads, tuple(stages))
