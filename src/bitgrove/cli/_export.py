"""``bitgrove export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from ..runtime import Artifact
from ._pictures import shown


def export(
    model: Path,
    /,
    *,
    onnx: Path,
    dialect: Literal["plain", "qonnx"] = "plain",
    batch: Annotated[int, Parameter(validator=Number(gte=1))] | None = None,
) -> None:
    """Write a packed model as an ONNX file, for other runtimes.

    An existing file is replaced at the very end; if anything fails, it stays as it was.

    Parameters
    ----------
    model:
        A .grove file.
    onnx:
        The file to write.
    dialect:
        plain runs everywhere; qonnx marks what is binary, for FINN.
    batch:
        Images at once. By default any number; FINN wants 1.
    """
    from ..export import to_onnx

    to_onnx(model, onnx, dialect=dialect, batch=batch)
    kind = "plain ONNX" if dialect == "plain" else "QONNX"
    print(f"{shown(str(onnx))}: {kind}, {onnx.stat().st_size:,} bytes")
    examples = Artifact.load(model).examples
    if examples is not None:
        print(f"its {len(examples):,} examples stay in {shown(str(model))}: ONNX gives embeddings")
