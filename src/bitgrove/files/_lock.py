"""The lock under which a file is appended to or replaced."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: str | os.PathLike[str], *, shared: bool = False) -> Iterator[int]:
    """Open the file that ``path`` names, waiting for the lock of those who change it.

    A writer that replaces the file holds the lock of the old one until the new one has its name, so
    what is opened here is the newest. The lock (``flock``) binds only those who ask for it, on one
    machine, and ends with the process at the latest.

    Args:
        path: the file.
        shared: to read it, with other readers; else to change it, alone.

    Raises:
        OSError: the file is missing or cannot be opened so, or its file system has no locks.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file, locked(file.name) as handle:
    ...     os.fstat(handle).st_size
    0
    """
    handle = _open(path, shared)
    try:
        yield handle
    finally:
        os.close(handle)


def _open(path: str | os.PathLike[str], shared: bool) -> int:
    while True:
        handle = os.open(path, (os.O_RDONLY if shared else os.O_RDWR) | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(handle), Path(path).stat()):
                return handle
        except FileNotFoundError:  # deleted meanwhile: opening it again says so
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
