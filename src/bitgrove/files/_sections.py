"""Arrays in aligned, checksummed sections that can be mapped, under one JSON header."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from ._dtypes import DTYPES
from ._errors import HEADER_LIMIT, check_kind, json_object, refuse

MAGIC = b"\x93BGSECT\n"
ALIGNMENT = 4096
"""Where sections, and records of the log, begin: multiples of a page and of a disk's sector."""

BLOCK = 1 << 20
"""Bytes of a section under one checksum."""

_CONTAINER = 1
_PREAMBLE = struct.Struct("<8sIIQQ16s12xI")
_DTYPES = [name for name in DTYPES if name != "bool"]  # its bytes could be neither 0 nor 1
_MAX_EXTENT = 1 << 48
_HUGE = 2 << 20


@dataclass(frozen=True, slots=True)
class Section:
    """One array of a file: where its bytes are, and the checksums of its blocks."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    checksums: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Of the array, without the zeros behind it."""
        return _bytes_of(self.dtype, self.shape)

    def blocks(self) -> Iterator[tuple[int, int, int]]:
        """Offset, length and checksum of every block; the last includes the zeros behind."""
        end = self.offset + aligned(self.bytes)
        for at, checksum in zip(range(self.offset, end, BLOCK), self.checksums, strict=True):
            yield at, min(BLOCK, end - at), checksum


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself before its sections."""

    kind: str
    version: int
    metadata: dict[str, Any]
    sections: tuple[Section, ...]
    identity: bytes
    """A digest of the header, and so of all checksums: it names the content."""

    end: int
    """Where the sections end, and a log may begin."""


def aligned(offset: int) -> int:
    """The next multiple of the alignment."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


def write_sections(
    file: BinaryIO,
    arrays: Mapping[str, npt.NDArray],
    metadata: Mapping[str, Any],
    *,
    kind: str,
    version: int,
) -> Header:
    """Write arrays and metadata from the start of ``file``. FORMAT.md specifies the bytes.

    Args:
        file: open for writing, at its beginning.
        arrays: by name, in the order of the file; must not change meanwhile.
        metadata: anything that JSON holds; NaN and infinity are refused.
        kind: what the file is, such as ``"index"``.
        version: version of that kind's layout, at least 1.

    Returns:
        The header that a reader will find.

    Raises:
        ValueError: the metadata are no JSON.
        TypeError: an array is of a dtype that a section cannot hold.

    >>> import io
    >>> file = io.BytesIO()
    >>> header = write_sections(file, {"x": np.arange(3)}, {"n": 3}, kind="index", version=2)
    >>> header.sections[0].offset, header.end
    (4096, 8192)
    >>> read_arrays(file, read_header(file, kind="index", version=2))
    {'x': array([0, 1, 2])}
    """
    contents = [_content(name, array) for name, array in arrays.items()]
    table = [
        [name, array.dtype.name, array.shape, [zlib.crc32(block) for block in _blocks(content)]]
        for (name, array), content in zip(arrays.items(), contents, strict=True)
    ]
    head = {"kind": kind, "version": version, "metadata": metadata, "sections": table}
    text = json.dumps(head, allow_nan=False, separators=(",", ":")).encode()
    length = aligned(_PREAMBLE.size + len(text)) - _PREAMBLE.size
    text = text.ljust(length)
    end = _PREAMBLE.size + length + sum(aligned(len(content)) for content in contents)
    identity = _digest(text)
    preamble = _PREAMBLE.pack(MAGIC, _CONTAINER, 0, length, end, identity, 0)[:-4]
    file.write(preamble + zlib.crc32(preamble).to_bytes(4, "little") + text)
    for content in contents:
        for block in _blocks(content):
            file.write(block)
    return _parse(text, identity, end)


def read_header(file: BinaryIO, *, kind: str, version: int) -> Header:
    """Read and check all but the sections' bytes.

    Args:
        file: open for reading.
        kind: what the file must be.
        version: the newest version of that kind that the caller understands.

    Raises:
        FileFormatError: the file is truncated before the sections end, its header is damaged, or it
            is of another kind or newer; the message gives the byte and the reason.
    """
    header = peek_sections(file)
    check_kind(header.kind, header.version, expected=kind, newest=version, at=_PREAMBLE.size)
    return header


def peek_sections(file: BinaryIO) -> Header:
    """Like :func:`read_header`, for a file of any kind and version."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    preamble = file.read(_PREAMBLE.size)
    if len(preamble) < _PREAMBLE.size:
        refuse(f"truncated: {len(preamble)} bytes of a preamble of {_PREAMBLE.size}", at=0)
    magic, container, zero, length, end, identity, checksum = _PREAMBLE.unpack(preamble)
    if magic != MAGIC:
        refuse("this is no file of bitgrove with sections", at=0)
    if zlib.crc32(preamble[:-4]) != checksum:
        refuse("the preamble does not match its checksum: the file is damaged", at=0)
    if container != _CONTAINER or zero != 0 or any(preamble[48:60]):
        refuse(f"written in version {container} of the container: update bitgrove", at=8)
    if length > HEADER_LIMIT:
        refuse(f"the header claims {length} bytes, more than {HEADER_LIMIT}", at=16)
    if end > size or _PREAMBLE.size + length > end:
        refuse(f"truncated: {size} bytes of {max(end, _PREAMBLE.size + length)}", at=size)
    text = file.read(length)
    if _digest(text) != identity:
        refuse("the header does not match its checksum: the file is damaged", at=_PREAMBLE.size)
    return _parse(text, identity, end)


def read_arrays(file: BinaryIO, header: Header) -> dict[str, npt.NDArray]:
    """Read all sections into memory and check every byte.

    Raises:
        FileFormatError: naming the section and the bytes of the damaged block.
    """
    arrays = {}
    for section in header.sections:
        room = _room(aligned(section.bytes))
        place = room.data
        for at, length, checksum in section.blocks():
            first = at - section.offset
            _check_block(file, section, at, place[first : first + length], checksum)
        arrays[section.name] = _shaped(room, section)
    return arrays


def map_arrays(file: BinaryIO, header: Header) -> dict[str, npt.NDArray]:
    """The sections as arrays over the file itself; pages are read when they are touched.

    Writing to an array changes a private copy of its pages, never the file. Nothing is checked:
    call :func:`check_sections` for that. The file may be appended to and replaced meanwhile, but
    not shortened or written in place.
    """
    whole = mmap.mmap(file.fileno(), header.end, access=mmap.ACCESS_COPY)
    bytes_ = np.frombuffer(whole, np.uint8)
    return {section.name: _shaped(bytes_[section.offset :], section) for section in header.sections}


def check_sections(file: BinaryIO, header: Header) -> None:
    """Read all sections and check every byte, in the memory of one block.

    Raises:
        FileFormatError: naming the section and the bytes of the damaged block.
    """
    room = memoryview(bytearray(BLOCK))
    for section in header.sections:
        for at, length, checksum in section.blocks():
            _check_block(file, section, at, room[:length], checksum)


def is_sectioned(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as :func:`write_sections` begins one."""
    with Path(path).open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _room(size: int) -> npt.NDArray[np.uint8]:
    """Memory at a multiple of a page; of a huge page, and in such, if it is large."""
    if size == 0:
        return np.empty(0, np.uint8)
    huge = size >= 2 * _HUGE
    # Private: shared memory comes in small pages, and a forked child would write to ours.
    memory = mmap.mmap(-1, size + huge * _HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    room = np.frombuffer(memory, np.uint8)
    if huge and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a system without huge pages
            memory.madvise(mmap.MADV_HUGEPAGE)
    start = -room.ctypes.data % _HUGE if huge else 0
    return room[start : start + size]


def _check_block(
    file: BinaryIO, section: Section, at: int, place: memoryview, checksum: int
) -> None:
    file.seek(at)
    read = cast(Any, file).readinto(place)
    if read != len(place) or zlib.crc32(place) != checksum:
        refuse(
            f"section '{section.name}' (bytes {at} to {at + len(place)}) does not match its "
            "checksum: the file is damaged",
            at=at,
        )


def _content(name: str, array: npt.NDArray) -> memoryview:
    """The bytes of an array, row-major and little-endian."""
    if array.dtype.name not in _DTYPES:
        raise TypeError(f"array '{name}' is of {array.dtype}; possible: {', '.join(_DTYPES)}")
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return plain.reshape(-1).view(np.uint8).data


def _blocks(content: memoryview) -> Iterator[memoryview | bytes]:
    for at in range(0, len(content), BLOCK):
        block = content[at : at + BLOCK]
        short = aligned(len(block)) - len(block)
        yield bytes(block) + bytes(short) if short else block


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()


def _shaped(content: npt.NDArray[np.uint8], section: Section) -> npt.NDArray:
    dtype = np.dtype(section.dtype).newbyteorder("<")
    return content[: section.bytes].view(dtype).reshape(section.shape)


def _bytes_of(dtype: str, shape: tuple[int, ...]) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize


def _parse(text: bytes, identity: bytes, end: int) -> Header:
    at = _PREAMBLE.size
    head = json_object(text, "the header", at=at)
    expected = {"kind": str, "version": int, "metadata": dict, "sections": list}
    if head.keys() != expected.keys():
        refuse(f"the header must have {sorted(expected)}, got {sorted(head)[:9]}", at=at)
    for key, type_ in expected.items():
        if type(head[key]) is not type_:
            refuse(f"the header's {key} must be of type {type_.__name__}", at=at)
    sections = []
    offset = at + len(text)
    if offset % ALIGNMENT:
        refuse(f"the header ends at byte {offset}, no multiple of {ALIGNMENT}", at=16)
    for entry in head["sections"]:
        section = _section(entry, offset)
        sections.append(section)
        offset += aligned(section.bytes)
    if len({section.name for section in sections}) < len(sections):
        refuse("two sections have one name", at=at)
    if offset != end:
        refuse(f"the sections end at byte {offset}, the preamble says {end}", at=24)
    return Header(head["kind"], head["version"], head["metadata"], tuple(sections), identity, end)


def _section(entry: object, offset: int) -> Section:
    match entry:
        case [str(name), str(dtype), list(shape), list(checksums)]:
            pass
        case _:
            refuse("a section must be [name, dtype, shape, checksums]", at=_PREAMBLE.size)
    if dtype not in _DTYPES:
        refuse(f"section '{name}' is of unknown dtype '{dtype[:20]}'", at=_PREAMBLE.size)
    if len(shape) > 8 or not _all_ints(shape, _MAX_EXTENT):
        refuse(f"section '{name}' has an impossible shape", at=_PREAMBLE.size)
    # numpy counts bytes as if no axis were empty.
    if _bytes_of(dtype, tuple(max(1, extent) for extent in shape)) > _MAX_EXTENT:
        refuse(f"section '{name}' has an impossible shape", at=_PREAMBLE.size)
    count = -(-_bytes_of(dtype, tuple(shape)) // BLOCK)
    if len(checksums) != count or not _all_ints(checksums, 1 << 32):
        refuse(f"section '{name}' needs {count} checksums", at=_PREAMBLE.size)
    return Section(name, dtype, tuple(shape), offset, tuple(checksums))


def _all_ints(values: list[object], below: int) -> bool:
    return all(type(value) is int and 0 <= value < below for value in values)
