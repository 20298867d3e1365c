"""A log behind the sections of a file: each record is durable before its writer goes on."""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from ._errors import refuse
from ._sections import ALIGNMENT, aligned

_MAGIC = b"\x93LOG"
_RECORD = struct.Struct("<4sIQQ16sI16xI")


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the next record of a log goes, and what stands before it."""

    identity: bytes
    """Of the sections that the log belongs to."""

    end: int
    """Offset of the next record."""

    sequence: int = 1
    """Of the next record."""

    previous: int = 0
    """Checksum of the header of the record before, 0 for the first."""

    last: int = 0
    """Offset of the record before, 0 for the first."""


class _Header(NamedTuple):
    """Of a record, as it is stored; of length 0 it is the mark behind the last record."""

    magic: bytes
    checksum: int
    sequence: int
    length: int
    identity: bytes
    previous: int
    own: int

    def end(self, at: int) -> int:
        """Of the record that stands at the offset ``at``."""
        return aligned(at + _RECORD.size + self.length)


def read_log(file: BinaryIO, tail: Tail) -> tuple[list[bytes], Tail]:
    """Read the records from ``tail`` on.

    What a crash left of a record that was never acknowledged is passed over. It is told from damage
    by what follows it: a record is begun only when the one before it is on the disk.

    Args:
        file: open for reading.
        tail: where the log begins.

    Returns:
        The payloads in order, and the new tail.

    Raises:
        FileFormatError: a record before the last is damaged, or belongs to other sections; the
            message gives the byte.
    """
    size = file.seek(0, os.SEEK_END)
    payloads = []
    while (payload := _payload(file, tail, size)) is not None:
        content, tail = payload
        payloads.append(content)
    for at in range(tail.end, size, ALIGNMENT):
        later = _header(file, at)
        if later is None or later.identity != tail.identity:
            continue
        # The mark for the next record, or its header, prove nothing about what follows.
        if later.sequence > tail.sequence:
            refuse(
                f"record {tail.sequence} of the log does not match its checksum, but record "
                f"{later.sequence} follows at byte {at}: the file is damaged",
                at=tail.end,
            )
    return payloads, tail


def is_at(file: BinaryIO, tail: Tail) -> bool:
    """Whether the log still ends at ``tail``, so that nobody appended to it or took from it.

    Raises:
        FileFormatError: as for :func:`read_log`.
    """
    if tail.last:
        head = _header(file, tail.last)
        if head is None or head.own != tail.previous:
            return False
    return file.seek(0, os.SEEK_END) >= tail.end and not read_log(file, tail)[0]


def append_record(handle: int, tail: Tail, payload: bytes) -> Tail:
    """Append a record and return when it is on the disk.

    Args:
        handle: of the file, open for reading and writing, and locked.
        tail: as :func:`read_log` or the last :func:`append_record` gave it.
        payload: at least one byte.

    Returns:
        The new tail.

    Raises:
        OSError: the disk is full or fails. The record is taken back if that is possible, else it
            looks like one that a crash cut off.

    The mark behind the record is written after it is on the disk, and needs no flush: a reader that
    sees it knows that the record was whole.
    """
    head = _packed(tail, len(payload), zlib.crc32(_padded(payload)))
    new = Tail(
        tail.identity,
        aligned(tail.end + _RECORD.size + len(payload)),
        tail.sequence + 1,
        int.from_bytes(head[-4:], "little"),
        tail.end,
    )
    if os.fstat(handle).st_size > tail.end + _RECORD.size:  # more than a mark: a torn record
        os.ftruncate(handle, tail.end)
    try:
        _write(handle, head + _padded(payload), tail.end)
        os.fsync(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(handle, tail.end)
        raise
    with contextlib.suppress(OSError):
        _write(handle, _packed(new, 0, 0), new.end)
    return new


def _payload(file: BinaryIO, tail: Tail, size: int) -> tuple[bytes, Tail] | None:
    """The whole record at ``tail`` and what comes behind it, or None."""
    at = tail.end
    head = _header(file, at)
    if head is None or head.length == 0:
        return None
    given = (head.identity, head.sequence, head.previous)
    if given != (tail.identity, tail.sequence, tail.previous):
        refuse(
            f"the record is number {head.sequence} of another log, expected {tail.sequence}: "
            "the file was put together from others",
            at=at,
        )
    end = head.end(at)
    if end > size:
        return None
    file.seek(at + _RECORD.size)
    content = file.read(end - at - _RECORD.size)
    if zlib.crc32(content) != head.checksum:
        return None
    return content[: head.length], Tail(tail.identity, end, tail.sequence + 1, head.own, at)


def _header(file: BinaryIO, at: int) -> _Header | None:
    file.seek(at)
    raw = file.read(_RECORD.size)
    if len(raw) < _RECORD.size or not raw.startswith(_MAGIC):
        return None
    head = _Header(*_RECORD.unpack(raw))
    return head if zlib.crc32(raw[:-4]) == head.own else None


def _packed(tail: Tail, length: int, checksum: int) -> bytes:
    head = _RECORD.pack(_MAGIC, checksum, tail.sequence, length, tail.identity, tail.previous, 0)[
        :-4
    ]
    return head + zlib.crc32(head).to_bytes(4, "little")


def _padded(payload: bytes) -> bytes:
    whole = aligned(_RECORD.size + len(payload)) - _RECORD.size
    return payload.ljust(whole, b"\0")


def _write(handle: int, content: bytes, at: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(handle, view, at)
        view, at = view[written:], at + written
