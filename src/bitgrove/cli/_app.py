"""Finds the command, runs it, and turns its outcome into an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from cyclopts import App, CycloptsError

from .. import __version__
from . import (
    _bench,
    _data,
    _doctor,
    _explain,
    _export,
    _fit,
    _hash,
    _import_forest,
    _inspect,
    _predict,
    _quantise,
    _reproduce,
    _teach,
)
from ._pictures import shown

app = App(
    name="bitgrove",
    help="Train small vision models, pack them into one file, run and teach them on a CPU.",
    version=__version__,
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)
app.command(_fit.fit)
app.command(_predict.predict)
app.command(_teach.teach)
app.command(_inspect.inspect)
app.command(_bench.bench)
app.command(_quantise.quantise)
app.command(_export.export)
app.command(_import_forest.import_forest)
app.command(_explain.explain)
app.command(_hash.hash_)
app.command(_reproduce.reproduce)
app.command(_data.data)
app.command(_doctor.doctor)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit: 0 well, 1 explained in one line, 2 wrong usage, 130 interrupted.

    ``BITGROVE_DEBUG=1`` shows the traceback of a failure instead of the line.
    """
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        code = app(
            list(arguments), exit_on_error=False, print_error=False, result_action="return_value"
        )
        sys.stdout.flush()
        return code or 0
    except CycloptsError as error:
        code = _fail(_one_line(error), 2)
        print("Try 'bitgrove --help'.", file=sys.stderr)
        return code
    except KeyboardInterrupt as error:
        return _fail(str(error) or "interrupted", 130)
    except BrokenPipeError:
        # Whoever read the output has gone; nothing is left to say, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except _EXPLAINED as error:
        if os.environ.get("BITGROVE_DEBUG"):
            raise
        return _fail(_one_line(error), 1)


_EXPLAINED = (
    ArithmeticError,
    MemoryError,
    ModuleNotFoundError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def _fail(message: str, code: int) -> int:
    print(f"bitgrove: {shown(message)}", file=sys.stderr)  # names in it may come from a file
    return code


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
