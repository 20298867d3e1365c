"""Where an index is saved, and what changed since."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from .. import files
from ._journal import Operation, encode

KIND, VERSION = "index", 2
"""Of the layout that FORMAT.md beside this file specifies."""

_LEAST_LOG = 64 << 10
"""Bytes that a log may always have, so that a small index is not rewritten for every row."""

Snapshot = Callable[[], tuple[Mapping[str, npt.NDArray], Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Home:
    """A file that holds the index as it was when it was last loaded or saved."""

    place: Path
    base: int
    """Bytes before the log."""

    tail: files.Tail

    @property
    def room(self) -> int:
        """Bytes that the log may still grow by before the file is written anew."""
        return max(_LEAST_LOG, self.base // 10) - (self.tail.end - self.base)


class Storage:
    """The file of one index and its changes since, under a lock that changes take in turn."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._home: Home | None = None
        self._pending: list[bytes] | None = None
        self._pending_bytes = 0
        _all.add(self)

    def renew_lock(self) -> None:
        """In a child of a fork: another thread of the parent may have held it."""
        self._lock = threading.RLock()

    @contextmanager
    def changing(self, operation: Operation | None) -> Iterator[None]:
        """Around a change of the index: keeps it for the log.

        Args:
            operation: what is done; None for a change that is not kept, after which the whole index
                is written.
        """
        with self._lock:
            try:
                yield
            except (ValueError, TypeError):  # bad arguments change nothing
                raise
            except BaseException:
                self._pending = None
                raise
            try:
                self._keep(operation)
            except BaseException:  # no memory, Ctrl-C: done, but not kept
                self._pending = None
                raise

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """While it lasts, only this thread changes the index."""
        with self._lock:
            yield

    def save(self, path: str | os.PathLike[str], snapshot: Snapshot, rewrite: bool) -> None:
        """Append what changed since to the file, or write all of it."""
        with self._lock:
            home = self._home
            if home is not None and home.place != Path(path).resolve():
                home = None
            if home is not None and not home.place.exists():
                home = None
            if rewrite or home is None or self._pending is None:
                self._write(path, snapshot, None if rewrite else home)
            else:
                self._append(path, home, b"".join(self._pending))

    def settle(self, home: Home | None) -> None:
        """The file now holds just what the index holds; None: no file does."""
        self._home = home
        self._pending = [] if home else None
        self._pending_bytes = 0

    def _keep(self, operation: Operation | None) -> None:
        if self._home is None or self._pending is None:
            return
        if operation is not None:
            self._pending_bytes += operation.bytes
        if operation is None or self._pending_bytes > self._home.room:
            self._pending = None
        else:
            self._pending.append(encode(operation))

    def _append(self, path: str | os.PathLike[str], home: Home, payload: bytes) -> None:
        with files.locked(path, "append") as handle:
            _check_unchanged(path, handle, home)
            if not payload:
                return
            tail = files.append_record(handle, home.tail, payload)
        self.settle(Home(home.place, home.base, tail))

    def _write(
        self, path: str | os.PathLike[str], snapshot: Snapshot, expected: Home | None
    ) -> None:
        target = Path(path).resolve() if Path(path).is_symlink() else path
        with ExitStack() as until_renamed, files.replacing(target) as file:
            header = write(file, *snapshot())
            file.flush()
            os.fsync(file.fileno())
            # Who appends to the file that goes holds its lock, and looks again once it has it.
            missing = (FileNotFoundError,) if expected else (FileNotFoundError, PermissionError)
            with contextlib.suppress(*missing):
                handle = until_renamed.enter_context(files.locked(target, "replace"))
                if expected is not None:
                    _check_unchanged(path, handle, expected)
        self.settle(Home(Path(path).resolve(), header.end, files.Tail(header.identity, header.end)))


_all: weakref.WeakSet[Storage] = weakref.WeakSet()


def _renew_locks() -> None:
    for storage in list(_all):
        storage.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file holds."""

    arrays: Mapping[str, npt.NDArray]
    settings: Mapping[str, Any]
    records: list[bytes]
    """Of the log: what changed since the arrays were written."""

    home: Home | None
    """None for a file that cannot be appended to."""


def read(path: str | os.PathLike[str], mmap: bool, verify: bool) -> Stored:
    """Read a file of this version or an earlier one.

    Raises:
        FileFormatError: damaged, of another kind or newer.
        ValueError: a file of version 1, to be mapped.
    """
    if not files.is_sectioned(path):
        if mmap:
            raise ValueError(
                f"{path} is of a version that cannot be mapped: load it without mmap and save it"
            )
        return Stored(*files.read(path, kind=KIND, version=1), [], None)
    with files.locked(path, "read") as handle, open(handle, "rb", closefd=False) as file:
        try:
            header = files.read_header(file, kind=KIND, version=VERSION)
            records, tail = files.read_log(file, files.Tail(header.identity, header.end))
            if mmap and verify:
                files.check_sections(file, header)
            arrays = (files.map_arrays if mmap else files.read_arrays)(file, header)
        except files.FileFormatError as error:
            raise files.FileFormatError(f"{path}: {error}") from None
    home = Home(Path(path).resolve(), header.end, tail)
    return Stored(arrays, header.metadata, records, home)


def settings_of(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """The settings that a file had when it was last written anew."""
    if not files.is_sectioned(path):
        return files.read(path, kind=KIND, version=1)[1]
    with Path(path).open("rb") as file:
        try:
            return files.read_header(file, kind=KIND, version=VERSION).metadata
        except files.FileFormatError as error:
            raise files.FileFormatError(f"{path}: {error}") from None


def write(
    file: Any, arrays: Mapping[str, npt.NDArray], settings: Mapping[str, Any]
) -> files.Header:
    """Write an index without a log."""
    return files.write_sections(file, arrays, settings, kind=KIND, version=VERSION)


def to_bytes(arrays: Mapping[str, npt.NDArray], settings: Mapping[str, Any]) -> bytes:
    """The file that holds an index, as bytes."""
    file = io.BytesIO()
    write(file, arrays, settings)
    return file.getvalue()


def from_bytes(content: bytes) -> Stored:
    """What :func:`to_bytes` wrote."""
    file = io.BytesIO(content)
    header = files.read_header(file, kind=KIND, version=VERSION)
    return Stored(files.read_arrays(file, header), header.metadata, [], None)


def _check_unchanged(path: str | os.PathLike[str], handle: int, home: Home) -> None:
    with open(handle, "rb", closefd=False) as file:
        try:
            header = files.read_header(file, kind=KIND, version=VERSION)
            same = header.identity == home.tail.identity and files.is_at(file, home.tail)
        except files.FileFormatError:
            same = False
    if not same:
        raise files.FileChangedError(
            f"{path} was changed since this index was loaded from it or saved to it; load it "
            "again, save to another path, or save with rewrite=True to replace what it holds now"
        )
