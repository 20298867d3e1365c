"""The lock under which a file is appended to or replaced."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from ._atomic import naming


@contextmanager
def locked(
    path: str | os.PathLike[str], purpose: Literal["read", "append", "replace"]
) -> Iterator[int]:
    """Open the file that ``path`` names, waiting for the lock of those who change it.

    A writer that replaces the file holds the lock of the old one until the new one has its name, so
    what is opened here is the newest. The lock (``flock``) binds only those who ask for it, on one
    machine, and ends with the process at the latest.

    Args:
        path: the file.
        purpose: ``read`` shares the lock with other readers; the others have it alone.

    Raises:
        OSError: the file is missing or cannot be opened so; or, to append, its file system has no
            locks, where a file can only be read and replaced. Errors of the block are named too.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file, locked(file.name, "read") as handle:
    ...     os.fstat(handle).st_size
    0
    """
    try:
        handle = _open(path, purpose)
    except OSError as error:
        raise naming(path, error) from None
    try:
        yield handle
    except OSError as error:
        raise (error if error.filename else naming(path, error)) from None
    finally:
        # A map of the file keeps the lock alive if it is only closed.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _open(path: str | os.PathLike[str], purpose: str) -> int:
    access = os.O_RDWR if purpose == "append" else os.O_RDONLY
    while True:
        handle = os.open(path, access | os.O_CLOEXEC)
        try:
            _lock(handle, purpose)
            if os.path.samestat(os.fstat(handle), Path(path).stat()):
                return handle
        except FileNotFoundError:  # deleted meanwhile: opening it again says so
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, purpose: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_SH if purpose == "read" else fcntl.LOCK_EX)
    except OSError as error:
        if purpose == "append" or error.errno not in _NO_LOCKS:
            raise


_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
"""What file systems without locks answer."""
