"""A safetensors file that names its kind and version and proves that it is undamaged."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from ._atomic import replacing
from ._dtypes import DTYPES
from ._errors import HEADER_LIMIT, FileFormatError, check_kind, json_object, refuse
from ._sections import MAGIC, peek_sections

_KEY = "bitgrove"
"""The one entry of the safetensors metadata; several would be written in random order."""


def write(
    path: str | os.PathLike[str],
    tensors: Mapping[str, npt.NDArray],
    metadata: Mapping[str, Any],
    *,
    kind: str,
    version: int,
) -> None:
    """Write tensors and metadata atomically. FORMAT.md beside this file specifies the bytes.

    Args:
        path: where to write; an existing file is replaced at the very end.
        tensors: arrays by name.
        metadata: anything that JSON holds; NaN and infinity are refused.
        kind: what the file is, such as ``"grove"``.
        version: version of that kind's layout, at least 1.

    Raises:
        ValueError: the metadata are no JSON.
        TypeError: an array is of a dtype that the container cannot hold.

    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "a.grove"
    >>> write(target, {"x": np.arange(3)}, {"labels": ["a"]}, kind="grove", version=1)
    >>> read(target, kind="grove", version=1)
    ({'x': array([0, 1, 2])}, {'labels': ['a']})
    """
    arrays = {name: _storable(name, array) for name, array in tensors.items()}
    text = json.dumps(metadata, allow_nan=False, separators=(",", ":"), sort_keys=True)
    checksums = {name: zlib.crc32(array.data) for name, array in arrays.items() if array.size}
    described = _describe(kind, version, text, {name: _entry(a) for name, a in arrays.items()})
    head = {
        "kind": kind,
        "version": version,
        "metadata": text,
        "crc32": zlib.crc32(described),
        "tensors_crc32": checksums,
    }
    encoded = json.dumps(head, separators=(",", ":"), sort_keys=True)
    content = safetensors.numpy.save(arrays, metadata={_KEY: encoded})
    with replacing(path) as file:
        file.write(content)


def read(
    path: str | os.PathLike[str], *, kind: str, version: int
) -> tuple[dict[str, npt.NDArray], dict[str, Any]]:
    """Read a file that :func:`write` made, and check every byte of it.

    Args:
        path: the file.
        kind: what the file must be.
        version: the newest version of that kind that the caller understands.

    Returns:
        The arrays by name, and the metadata.

    Raises:
        FileFormatError: the file is truncated, damaged, of another kind, or newer than
            ``version``; the message gives the byte and the reason. No memory beyond a small
            multiple of the file's size is asked for.
        OSError: the file cannot be read.
    """
    raw = Path(path).read_bytes()
    try:
        return _parse(raw, kind, version)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from None


def peek(path: str | os.PathLike[str]) -> tuple[str, int]:
    """The kind and version that a file claims; its content is not checked.

    Raises:
        FileFormatError: the file is no container of bitgrove.
        OSError: the file cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(8)
            if start == MAGIC:
                header = peek_sections(file)
                return header.kind, header.version
            length = min(int.from_bytes(start, "little"), HEADER_LIMIT)
            head = _head(_header(start + file.read(length)))
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from None
    return head["kind"], head["version"]


def _parse(raw: bytes, kind: str, version: int) -> tuple[dict[str, npt.NDArray], dict[str, Any]]:
    header = _header(raw)
    head = _head(header)
    check_kind(head["kind"], head["version"], expected=kind, newest=version)
    try:
        arrays = safetensors.numpy.load(raw)
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError, OverflowError) as error:
        refuse(f"the tensors cannot be read: {error}", at=8)
    entries = {name: header[name] for name in header if name != "__metadata__"}
    described = _describe(
        head["kind"],
        head["version"],
        head["metadata"],
        {name: [entry.get("dtype"), entry.get("shape")] for name, entry in entries.items()},
    )
    if zlib.crc32(described) != head["crc32"]:
        refuse("the header does not match its checksum: the file is damaged", at=8)
    start = 8 + int.from_bytes(raw[:8], "little")
    for name, array in arrays.items():
        if array.size and zlib.crc32(array.data) != head["tensors_crc32"].get(name):
            first, last = entries[name]["data_offsets"]
            refuse(
                f"tensor '{name}' (bytes {start + first} to {start + last}) does not match its "
                "checksum: the file is damaged",
                at=start + first,
            )
    return arrays, json_object(head["metadata"], "the metadata")


def _header(raw: bytes) -> dict[str, Any]:
    if len(raw) < 8:
        refuse(f"truncated: {len(raw)} bytes, where the header's length alone needs 8", at=0)
    length = int.from_bytes(raw[:8], "little")
    if length > HEADER_LIMIT:
        refuse(
            f"the header claims {length} bytes, more than {HEADER_LIMIT}: "
            "this is no file of bitgrove",
            at=0,
        )
    if length > len(raw) - 8:
        refuse(f"truncated: the header claims {length} bytes of {len(raw) - 8}", at=8)
    header = json_object(raw[8 : 8 + length], "the header")
    if not all(isinstance(entry, dict) for entry in header.values()):
        refuse("the header is not a table of tensors", at=8)
    return header


def _head(header: dict[str, Any]) -> dict[str, Any]:
    encoded = header.get("__metadata__", {}).get(_KEY)
    if not isinstance(encoded, str):
        refuse("this is no file of bitgrove: its header lacks the entry 'bitgrove'", at=8)
    head = json_object(encoded, "the entry 'bitgrove'")
    shape = {"kind": str, "version": int, "metadata": str, "crc32": int, "tensors_crc32": dict}
    for key, expected in shape.items():
        if type(head.get(key)) is not expected:
            refuse(f"the entry 'bitgrove' lacks '{key}' of type {expected.__name__}", at=8)
    return head


def _storable(name: str, array: npt.NDArray) -> npt.NDArray:
    """Row-major and little-endian."""
    if array.dtype.name not in DTYPES:
        raise TypeError(f"tensor '{name}' is of {array.dtype}; possible: {', '.join(DTYPES)}")
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def _entry(array: npt.NDArray) -> list[Any]:
    return [DTYPES[array.dtype.name], list(array.shape)]


def _describe(kind: str, version: int, metadata: str, entries: Mapping[str, list[Any]]) -> bytes:
    """What the header's checksum covers: all that is not the bytes of a tensor."""
    return json.dumps([kind, version, metadata, sorted(entries.items())]).encode()
