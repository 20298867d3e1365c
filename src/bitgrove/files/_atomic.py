"""Writing a file so that a reader sees the old content or the new one, never a part."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` that takes its place when the block ends well.

    The content is flushed to the disk before the rename, so that neither an exception, nor a killed
    process, nor a power cut leaves a half-written file under ``path``. An existing file keeps its
    permissions.

    Raises:
        OSError: the folder is missing or cannot be written, or ``path`` is a folder; the error
            names what was given, never the temporary file.
        ValueError: ``path`` is a device, a pipe or the like.

    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> with replacing(target) as file:
    ...     _ = file.write(b"whole")
    >>> target.read_bytes()
    b'whole'
    """
    path = Path(path)
    _check_place(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise naming(path, error) from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), _mode_for(path))
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
    _sync_folder(path.parent)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise now what :func:`replacing` would raise, before any work is done in vain.

    >>> check_writable("no such folder/a.txt")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] no such folder to write to: 'no such folder'
    """
    path = Path(path)
    _check_place(path)
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise naming(path, error) from None


def _check_place(path: Path) -> None:
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder to write to", str(path.parent))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder; name a file in it", str(path))
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is no ordinary file; name one to write or replace")


def naming(path: str | os.PathLike[str], error: OSError) -> OSError:
    """The same error of ``path``, not of no file or a temporary one beside it."""
    return OSError(error.errno, error.strerror, str(path))


def _mode_for(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
