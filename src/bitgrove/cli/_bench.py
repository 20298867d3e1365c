"""``bitgrove bench``."""

from __future__ import annotations

import sys
from json import dumps
from pathlib import Path
from shutil import get_terminal_size

from ..files import check_writable, replacing
from ..runtime import load
from ._arguments import Count, Threads
from ._bench_measure import measure
from ._bench_text import lines_of
from ._bench_turns import Steps


def bench(
    model: Path,
    /,
    *,
    threads: Threads = 1,
    repeats: Count = 50,
    batch: Count = 1,
    peer: bool = True,
    json: Path | None = None,
) -> None:
    """Time a packed model, part by part and as a whole, and against onnxruntime in float32.

    Every part is timed on one image of noise, and compared with how fast this CPU
    can count bits. The whole takes turns with onnxruntime, if that is installed,
    which runs the same network in float32.

    Parameters
    ----------
    model:
        A .grove file.
    threads:
        Threads that share the work, of both runtimes.
    repeats:
        Runs of each part, and rounds in which the two runtimes take turns.
    batch:
        Images at once, for the whole.
    peer:
        Compare with onnxruntime.
    json:
        A file to write every figure to.
    """
    session = load(model, threads)
    if json is not None:
        check_writable(json)
        if json.exists() and json.samefile(model):
            raise ValueError(f"--json is the model itself, {json}; name another file")
    found = measure(session, repeats=repeats, batch=batch, peer=peer, steps=Steps())
    if json is not None:
        with replacing(json) as file:
            file.write(dumps({"path": str(model)} | found.to_dict(), indent=2).encode() + b"\n")
    width = get_terminal_size().columns if sys.stdout.isatty() else None
    print("\n".join(lines_of(str(model), found, width)))
