"""``bitgrove inspect``."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Any

import numpy as np

from .. import files
from ..runtime import Artifact, load
from ..search import load as load_index
from ._inspect_sizes import LayerSize, Sizes, sizes_of
from ._pictures import shown


def inspect(file: Path, /, *, json: bool = False) -> None:
    """Show what is inside a packed model or an index: layers, sizes, classes.

    The whole file is checked on the way. The sizes add up to that of the file.

    Parameters
    ----------
    file:
        A .grove file, or an index.
    json:
        Print one JSON object.
    """
    kind, version = files.peek(file)
    head = {"path": str(file), "kind": kind, "version": version, "bytes": file.stat().st_size}
    if kind == "grove":
        artifact = load(file).artifact
        sizes = sizes_of(file, artifact)
        if json:
            print(dumps(head | sizes.to_dict() | _described(artifact)))
            return
        _show_head(head)
        _show_sizes(artifact, sizes)
        _show_model(artifact)
        return
    index = load_index(file)
    tensors, metadata = index.arrays(), index.settings()
    if json:
        print(dumps(head | {"settings": metadata, "tensors": _described_tensors(tensors)}))
        return
    _show_head(head)
    _show_tensors(tensors, metadata)


def _show_head(head: dict[str, Any]) -> None:
    print(
        f"{shown(head['path'])}: {shown(head['kind'])}, format version {head['version']}, "
        f"{head['bytes']:,} bytes"
    )


def _show_sizes(artifact: Artifact, sizes: Sizes) -> None:
    layers, whole = sizes.layers, sizes.total
    rows = [_COLUMNS, _row("image", output=artifact.graph.input)]
    rows += [_layer_row(layer, whole) for layer in layers]
    weights = sum(layer.binary_weights for layer in layers)
    reals = sum(layer.real_numbers for layer in layers)
    size = sum(layer.bytes for layer in layers)
    rows.append(_row("all layers", weights=weights, reals=reals, size=size, whole=whole))
    rows.append(_row("header", size=sizes.header, whole=whole))
    if sizes.examples:
        rows.append(_row("examples", size=sizes.examples, whole=whole))
    if sizes.unused:
        rows.append(_row("not used by the model", size=sizes.unused, whole=whole))
    rows.append(_row("file", size=whole, whole=whole))
    width = max(len(row[0]) for row in rows)
    print()
    for name, operator, output, ones, numbers, stored, bytes_, share in rows:
        print(
            f"{name:<{width}}  {operator:<22}{output:>12}{ones:>15}{numbers:>14}  {stored:<14}"
            f"{bytes_:>14}{share:>8}".rstrip()
        )
    parts = [f"{dtype} {size:,}" for dtype, size in sorted(sizes.stored.items())]
    print(f"\nlayers by dtype {', '.join(parts) or 'no'} bytes")


_COLUMNS = (
    "layer", "operator", "output", "1-bit weights", "real numbers", "stored as", "bytes", "share"
)  # fmt: skip


def _layer_row(layer: LayerSize, whole: int) -> tuple[str, ...]:
    return _row(
        shown(layer.name),
        operator=layer.operator,
        output=layer.output,
        weights=layer.binary_weights,
        reals=layer.real_numbers,
        stored="+".join(sorted(layer.stored)),
        size=layer.bytes,
        whole=whole,
    )


def _row(
    name: str,
    *,
    operator: str = "",
    output: tuple[int, ...] = (),
    weights: int = 0,
    reals: int = 0,
    stored: str = "",
    size: int = 0,
    whole: int = 0,
) -> tuple[str, ...]:
    """A cell for each of the columns; what is 0 is left blank."""
    share = f"{size / whole:.1%}" if size else ""
    counts = [f"{count:,}" if count else "" for count in (weights, reals, size)]
    return (name, operator, "x".join(map(str, output)), *counts[:2], stored, counts[2], share)


def _show_model(artifact: Artifact) -> None:
    names = artifact.labels or [str(name) for name in artifact.classes or []]
    print(f"labels          {', '.join(map(shown, names)) or 'none'}")
    if artifact.link != "softmax":
        print(f"answers         {artifact.link} of the scores")
    _show_forests(artifact)
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
    print(
        f"examples        {len(examples):,} of {examples.index.dim} bytes, {examples.k} vote, "
        f"bandwidth {examples.bandwidth:.4g}"
    )
    for name, count in examples.counts().items():
        taught = "" if artifact.labels and name in artifact.labels else "  (taught)"
        print(f"  {shown(name):<32}{count:>8,}{taught}")


def _show_forests(artifact: Artifact) -> None:
    for node in artifact.graph.nodes:
        if node.op == "forest":
            tensors = node.tensors
            used = len(np.unique(tensors["feature"]))
            missing = "NaN is taken" if "missing" in tensors else "NaN is refused"
            print(
                f"trees           {len(tensors['root']):,} of {len(tensors['feature']):,} nodes "
                f"and {len(tensors['leaf']):,} leaves, {used:,} features compared, {missing}"
            )


def _described(artifact: Artifact) -> dict[str, Any]:
    prep, examples = artifact.preprocessing, artifact.examples
    return {
        "input": artifact.graph.input,
        "labels": artifact.labels,
        "link": artifact.link,
        "preprocessing": prep.to_dict() if prep else None,
        "classes": examples.counts() if examples else None,
    }


def _described_tensors(tensors: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    return [
        {"name": name, "dtype": array.dtype.name, "shape": array.shape, "bytes": array.nbytes}
        for name, array in tensors.items()
    ]


def _show_tensors(tensors: dict[str, np.ndarray], metadata: dict[str, Any]) -> None:
    for key, value in metadata.items():
        print(f"{shown(key):<24}{shown(str(value))}")
    print()
    for name, array in tensors.items():
        print(f"{shown(name):<24}{array.dtype!s:<10}{array.shape!s:<20}{array.nbytes:>14,} bytes")
