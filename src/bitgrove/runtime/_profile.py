"""How long each part of a packed network takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
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
    """The shortest of the repetitions; with several threads, that of the shortest repetition."""
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

    def merged(self, other: Profile) -> Profile:
        """What two measurements of one session say together: of every stage the shorter time.

        Of several threads the shorter measurement is taken whole. One that comes late finds the
        work done by the others, and the stage would seem to have taken no time.
        """
        if self.threads > 1:
            return min(self, other, key=lambda profile: profile.seconds)
        stages = tuple(
            a if a.seconds <= b.seconds else b
            for a, b in zip(self.stages, other.stages, strict=True)
        )
        return Profile(self.level, self.threads, stages)


def profile_graph(
    network: _core.Network, graph: Graph, x: npt.NDArray[np.float32], repeats: int, threads: int
) -> Profile:
    """Time the stages of a built graph on one image ``float32[1, c, sides]``."""
    if threads > 1:
        runs = (_profile_once(network, graph, x, 1, threads) for _ in range(repeats))
        return reduce(Profile.merged, runs)
    return _profile_once(network, graph, x, repeats, threads)


def _profile_once(
    network: _core.Network, graph: Graph, x: npt.NDArray[np.float32], repeats: int, threads: int
) -> Profile:
    stages: list[StageProfile] = []
    for numbers, seconds, binary, real, size in network.profile(x, repeats, threads):
        nodes = [graph.nodes[number] for number in sorted(set(numbers))]
        name = "+".join(node.name for node in nodes) or "input"
        ops = "+".join(node.op for node in nodes) or "input"
        stages.append(StageProfile(name, ops, seconds, binary, real, size))
    return Profile(network.level, threads, tuple(stages))
