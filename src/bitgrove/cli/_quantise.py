"""``bitgrove quantise``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number

from ..files import check_writable
from ..runtime import load
from ._arguments import Count, Threads
from ._pictures import find_pictures, readable, shown

Names = Annotated[list[str], Parameter(negative="")]
Part = Annotated[float, Parameter(validator=Number(gte=0, lte=1))]


def quantise(
    model: Path,
    image: Path,
    /,
    *images: Path,
    out: Path,
    layer: Names | None = None,
    least_agreement: Part = 0.98,
    most: Count = 512,
    threads: Threads = 1,
) -> int:
    """Turn a packed model's real convolutions into 8-bit ones and measure what that costs.

    Three of four pictures show which numbers occur; on the fourth the answers of both models are
    compared. Nothing is written if they agree too rarely. A picture that cannot be read is named on
    standard error; the others are used, and the exit code is 1.

    Parameters
    ----------
    model:
        A .grove file.
    image:
        A picture, or a folder of pictures, such as the model will see.
    images:
        More of them.
    out:
        Where to write the quantised model.
    layer:
        A layer to quantise, as 'bitgrove inspect' names it; by default all that can be. May be
        given several times.
    least_agreement:
        Smallest part of the pictures compared that must get the same answer, 0 to 1.
    most:
        Pictures to use, evenly spread over those there are.
    threads:
        Threads that share the work.
    """
    from .. import export

    session = load(model, threads)
    paths = find_pictures([image, *images])
    _check_out(out, model, paths)
    used = [paths[i] for i in np.linspace(0, len(paths) - 1, min(most, len(paths))).astype(int)]
    read = [session.preprocessing([pixels]) for _, pixels in readable(session.preprocessing, used)]
    if not read:
        raise ValueError(f"none of the {len(used)} pictures can be read")
    quantised, report = export.quantise(
        session.artifact,
        np.concatenate(read),
        layers=layer,
        least_agreement=least_agreement,
        threads=threads,
    )
    quantised.save(out)
    width = max(len(shown(done.name)) for done in report.layers)
    for done in report.layers:
        print(
            f"{shown(done.name):<{width}}  its result differs by {done.error:.2%}; with it alone, "
            f"{done.agreement:.2%} get the same answer"
        )
    for name, reason in report.left.items():
        print(f"{shown(name):<{width}}  left real: {reason}")
    print(
        f"same answer     {report.agreement:.2%} of {report.images} pictures held out\n"
        f"logits          differ by {report.relative_error:.2%} (root mean square)\n"
        f"{shown(str(out))}: {out.stat().st_size:,} bytes, before {model.stat().st_size:,}"
    )
    return 0 if len(read) == len(used) else 1


def _check_out(out: Path, model: Path, pictures: Sequence[Path]) -> None:
    """Raise before the work unless ``out`` can be written and is none of the files read."""
    check_writable(out)
    if not out.exists():
        return
    if out.samefile(model):
        raise ValueError(f"--out is the model itself, {out}; name another file")
    if any(out.samefile(path) for path in pictures):
        raise ValueError(f"--out is one of the pictures, {out}; name another file")
