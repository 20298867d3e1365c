"""``bitgrove inspect``."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from .. import files
from ..runtime import Node, Session, load
from ..search import Fanng, Flat
from ._pictures import shown


def inspect(file: Path, /) -> None:
    """Show what is inside a packed model or an index: layers, sizes, classes.

    The whole file is checked on the way.

    Parameters
    ----------
    file:
        A .grove file, or an index.
    """
    kind, version = files.peek(file)
    size = file.stat().st_size
    print(f"{shown(str(file))}: {shown(kind)}, format version {version}, {size:,} bytes")
    if kind == "grove":
        _show_model(load(file))
    else:
        tensors, metadata = files.read(file, kind="index", version=1)
        {"flat": Flat, "fanng": Fanng}.get(metadata.get("type", ""), Fanng).load(file)  # checks it
        _show_tensors(tensors, metadata)


def _show_model(session: Session) -> None:
    artifact = session.artifact
    graph = artifact.graph
    network = graph.build(graph.outputs)
    print(f"\n{'layer':<34}{'operator':<22}{'output':>14}{'bytes':>12}{'1-bit weights':>16}")
    print(f"{'image':<34}{'':<22}{'x'.join(map(str, graph.input)):>14}")
    total = bits = 0
    for number, node in enumerate(graph.nodes, 1):
        size = sum(array.nbytes for array in node.tensors.values())
        ones = _binary_weights(node, network.shape(node.inputs[0])[0])
        total, bits = total + size, bits + ones
        shape = "x".join(map(str, network.shape(number)))
        print(f"{shown(node.name):<34}{node.op:<22}{shape:>14}{size:>12,}{ones or '':>16}")
    print(f"{'all layers':<34}{'':<22}{'':>14}{total:>12,}{bits:>16,}")
    print(f"\nlabels          {', '.join(map(shown, artifact.labels or [])) or 'none'}")
    prep = artifact.preprocessing
    if prep:
        mode = "grey" if prep.channels == 1 else "RGB"
        print(
            f"pictures        {prep.width}x{prep.height} {mode}, mean {prep.mean}, std {prep.std}"
        )
    else:
        print("pictures        none: the model takes tensors")
    examples = artifact.examples
    if examples is None:
        print("examples        none: the model classifies by its logits and cannot be taught")
        return
    size = sum(array.nbytes for array in examples.arrays().values())
    print(
        f"examples        {len(examples):,} of {examples.index.dim} bytes, {size:,} bytes, "
        f"{examples.k} vote, bandwidth {examples.bandwidth:.4g}"
    )
    for name, count in examples.counts().items():
        taught = "" if artifact.labels and name in artifact.labels else "  (taught)"
        print(f"  {shown(name):<32}{count:>8,}{taught}")


def _binary_weights(node: Node, channels: int) -> int:
    if not node.op.startswith(("binary_conv", "binary_weight_conv")):
        return 0
    taps_and_filters = prod(node.tensors["weight"].shape[:-1])  # the last axis is of bytes
    return taps_and_filters * channels // node.attributes["groups"]


def _show_tensors(tensors: dict[str, np.ndarray], metadata: dict[str, Any]) -> None:
    for key, value in metadata.items():
        print(f"{shown(key):<24}{shown(str(value))}")
    print()
    for name, array in tensors.items():
        print(f"{shown(name):<24}{array.dtype!s:<10}{array.shape!s:<20}{array.nbytes:>14,} bytes")
