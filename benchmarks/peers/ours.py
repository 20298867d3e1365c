"""The packed networks that are timed: whole models, and single operators at ResNet-18's shapes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from _alternate import Runs, timed
from pack_models import settle
from torch import nn

import bitgrove as bg
from bitgrove import _core, export
from bitgrove.runtime import Artifact, Graph, Node, Session

SHAPES = ((64, 56), (128, 28), (256, 14), (512, 7))
"""Channels and side of the 3x3 convolutions in ResNet-18's four stages, for pictures of 224."""


def network(name: str, pictures: torch.Tensor, **options: object) -> nn.Module:
    """A model with drawn weights and batch norms measured on ``pictures``, as after training."""
    torch.manual_seed(0)
    model = bg.models.create(name, **options)
    settle(model, pictures)
    return model.eval()


def pack(name: str, pictures: torch.Tensor, folder: Path) -> dict[str, Path]:
    """Write a network, proven equal to torch's, into ``folder``; what is there already stays.

    Returns:
        Files by variant: the real parts in ``float32`` as trained, or in ``float16``; of a network
        whose stem is real also ``int8 stem``, and ``int8`` for all its real layers. The executor
        widens float16 at loading, so that only the others differ in speed.
    """
    variants = ["float32", "float16"]
    if name != "binarynet" and hasattr(_core.Network, "byte_conv"):
        variants += ["int8 stem", "int8"]
    files = {variant: folder / f"{name} {variant}.grove" for variant in variants}
    if any(not file.exists() for file in files.values()):
        model = network(name, pictures)
        artifact = export.pack(model, pictures)
        found = export.verify(model, artifact, pictures.numpy())
        if not found.equal():
            raise RuntimeError(f"{name}: packed and torch differ: {found}")
        for variant, file in files.items():
            _change(artifact, variant).save(file)
    return files


def _change(artifact: Artifact, variant: str) -> Artifact:
    """Drawn weights agree on nothing, so the answers of an int8 variant are not compared."""
    if variant == "float32":
        return artifact
    if variant == "float16":
        return artifact.with_real_dtype("float16")
    images = np.random.default_rng(0).standard_normal((8, *artifact.graph.input), np.float32)
    layers = ["stem.conv"] if variant == "int8 stem" else None
    return export.quantise(artifact, images, layers=layers, least_agreement=None).artifact


@dataclass(frozen=True, slots=True)
class Operator:
    """A packed network that holds one operator worth timing, its input and its work."""

    session: Session
    x: npt.NDArray[np.float32]
    macs: int
    """Binary multiply-accumulates."""

    def profiled(self) -> Runs:
        """Least seconds of the nodes named ``timed…``, of many runs inside the executor."""

        def run(count: int) -> list[float]:
            stages = self.session.profile(self.x, repeats=count).stages
            return [sum(stage.seconds for stage in stages if "timed" in stage.name)]

        return run

    def whole(self) -> Runs:
        """The network from end to end."""
        return timed(lambda: self.session.run(self.x))


def gemm(channels: int, side: int, threads: int) -> Operator:
    """A product of matrices of bits, as large as the convolution's: pixels x 9c by 9c x c."""
    x = _drawn(9 * channels, side)
    nodes = [Node("sign", "bits", (0,), {"groups": 1}), _binary(channels, 9 * channels, 1, 1)]
    return Operator(_session(x, nodes, threads), x, 9 * channels**2 * side**2)


def convolution(channels: int, side: int, threads: int) -> Operator:
    """A 3x3 convolution of bits alone."""
    x = _drawn(channels, side)
    nodes = [Node("sign", "bits", (0,), {"groups": 1}), _binary(channels, channels, 3, 1)]
    return Operator(_session(x, nodes, threads), x, 9 * channels**2 * side**2)


def blocks(channels: int, side: int, threads: int, count: int = 1) -> Operator:
    """``sign -> 3x3 convolution -> scale and bias -> + shortcut``, so many times.

    The input comes from a real layer and the mean over the picture follows, as in a network, so
    that what is timed reads and writes the executor's own layout.
    """
    x, rng = _drawn(channels, side), np.random.default_rng(1)
    nodes = [Node("affine", "before", (0,), {}, _affine(channels, rng))]
    for index in range(count):
        start = len(nodes)
        nodes += [
            Node("sign", f"timed.sign{index}", (start,), {"groups": 1}),
            _binary(channels, channels, 3, start + 1, f"timed.conv{index}"),
            Node("affine", f"timed.norm{index}", (start + 2,), {}, _affine(channels, rng)),
            Node("add", f"timed.add{index}", (start + 3, start)),
        ]
    nodes.append(Node("adaptive_avg_pool", "after", (len(nodes),), {"size": [1, 1]}))
    return Operator(_session(x, nodes, threads), x, count * 9 * channels**2 * side**2)


def _drawn(channels: int, side: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((1, channels, side, side), np.float32)


def _affine(channels: int, rng: np.random.Generator) -> dict[str, npt.NDArray]:
    return {
        "scale": rng.normal(0, 0.02, channels).astype(np.float32),
        "bias": rng.normal(0, 0.5, channels).astype(np.float32),
    }


def _binary(outputs: int, inputs: int, kernel: int, source: int, name: str = "timed.conv") -> Node:
    rng = np.random.default_rng(2)
    weight = rng.integers(0, 256, (outputs, kernel, kernel, inputs // 8), np.uint8)
    border = [kernel // 2, kernel // 2]
    attributes = {"stride": [1, 1], "padding": border, "dilation": [1, 1]}
    return Node(
        "binary_conv2d",
        name,
        (source,),
        {**attributes, "groups": 1, "pad_value": -1 if kernel > 1 else 0},
        {"weight": weight},
    )


def _session(x: npt.NDArray[np.float32], nodes: list[Node], threads: int) -> Session:
    last = len(nodes)
    return Session(Artifact(Graph(x.shape[1:], tuple(nodes), last, last)), threads)
