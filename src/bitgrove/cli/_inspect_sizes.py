"""Where the bytes of a packed model's file are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import files
from ..runtime import Artifact, Node

_BITS = "bits"


@dataclass(frozen=True, slots=True)
class LayerSize:
    """What the file holds for one operator; what it shares with an earlier one counts there."""

    name: str
    operator: str
    output: tuple[int, ...]
    """Channels and sides."""
    binary_weights: int
    real_numbers: int
    """In float32, float16 or int8."""
    stored: dict[str, int]
    """Bytes by dtype; packed weights and flips are ``bits``."""

    @property
    def bytes(self) -> int:
        """All of them."""
        return sum(self.stored.values())


@dataclass(frozen=True, slots=True)
class Sizes:
    """All bytes of a file: those of its layers, of the rest, and of nothing else."""

    layers: tuple[LayerSize, ...]
    """In the order of the graph."""
    header: int
    """The graph, labels, names, shapes and checksums, as JSON."""
    examples: int
    unused: int
    """Tensors that nothing in the model names."""

    @property
    def stored(self) -> dict[str, int]:
        """Bytes of the layers by dtype."""
        total: dict[str, int] = {}
        for layer in self.layers:
            for dtype, size in layer.stored.items():
                total[dtype] = total.get(dtype, 0) + size
        return total

    @property
    def total(self) -> int:
        """The size of the file."""
        return sum(self.stored.values()) + self.header + self.examples + self.unused

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "layers": [asdict(layer) | {"bytes": layer.bytes} for layer in self.layers],
            "stored": self.stored,
            "header": self.header,
            "examples": self.examples,
            "unused": self.unused,
        }


def sizes_of(path: Path, artifact: Artifact) -> Sizes:
    """Count the bytes of a file that was loaded as ``artifact``, tensor by tensor."""
    with path.open("rb") as file:
        header = 8 + int.from_bytes(file.read(8), "little")
    tensors, metadata = files.read(path, kind="grove", version=files.peek(path)[1])
    graph = artifact.graph
    network = graph.build(graph.outputs)
    layers = []
    for number, (node, stored) in enumerate(
        zip(graph.nodes, metadata["network"]["nodes"], strict=True), 1
    ):
        own = {role: tensors.pop(f"{node.name}.{role}") for role in stored["tensors"]}
        channels, output = network.shape(node.inputs[0])[0], tuple(network.shape(number))
        layers.append(_layer_size(node, own, channels, output))
    examples = [tensors.pop(name) for name in list(tensors) if name.startswith("examples.")]
    return Sizes(
        layers=tuple(layers),
        header=header,
        examples=sum(array.nbytes for array in examples),
        unused=sum(array.nbytes for array in tensors.values()),
    )


def _layer_size(
    node: Node, own: dict[str, npt.NDArray], channels: int, output: tuple[int, ...]
) -> LayerSize:
    stored: dict[str, int] = {}
    real = 0
    for role, array in own.items():
        packed = array.dtype == np.uint8 and role != "missing"
        dtype = _BITS if packed else array.dtype.name
        stored[dtype] = stored.get(dtype, 0) + array.nbytes
        real += array.size if array.dtype.kind == "f" or dtype == "int8" else 0
    bits = _binary_weights(node, channels) if "weight" in own else 0
    return LayerSize(node.name, node.op, output, bits, real, stored)


def _binary_weights(node: Node, channels: int) -> int:
    if not node.op.startswith(("binary_conv", "binary_weight_conv")):
        return 0
    taps_and_filters = prod(node.tensors["weight"].shape[:-1])  # the last axis is of bytes
    return taps_and_filters * channels // node.attributes["groups"]
