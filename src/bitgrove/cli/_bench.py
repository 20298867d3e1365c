"""``bitgrove bench``."""

from __future__ import annotations

import errno
import sys
from json import dumps
from pathlib import Path
from shutil import get_terminal_size
from tempfile import TemporaryFile
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from ..files import replacing
from ..runtime import load
from ._bench_measure import measure
from ._bench_text import lines_of
from ._bench_turns import Steps

Count = Annotated[int, Parameter(validator=Number(gte=1))]


def bench(
    model: Path,
    /,
    *,
    threads: Count = 1,
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
        That share the work, of both runtimes.
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
        _check_writable(json, model)
    found = measure(session, repeats=repeats, batch=batch, peer=peer, steps=Steps())
    if json is not None:
        with replacing(json) as file:
            file.write(dumps({"path": str(model)} | found.to_dict(), indent=2).encode() + b"\n")
    width = get_terminal_size().columns if sys.stdout.isatty() else None
    print("\n".join(lines_of(str(model), found, width)))


def _check_writable(path: Path, model: Path) -> None:
    """Raise now what writing would raise later, so that nothing is measured in vain."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder; name a file in it", str(path))
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is no ordinary file; --json names one to write or replace")
    if path.exists() and path.samefile(model):
        raise ValueError(f"--json is the model itself, {path}; name another file")
    try:
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:  # which names the temporary file
        raise OSError(error.errno, error.strerror, str(path)) from None
