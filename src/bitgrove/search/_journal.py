"""Changes of an index as bytes, so that they can be kept and done again."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["add", "remove", "update", "set"]

_HEAD = struct.Struct("<IIQ")
_ADD, _ADD_WITH_IDS, _REMOVE, _UPDATE, _SET = range(1, 6)


@dataclass(frozen=True, slots=True)
class Operation:
    """One change of an index; done again on the same index it gives the same index."""

    kind: Kind
    ids: npt.NDArray[np.int64] | None = None
    """``int64[n]``; None only for rows that are added under their running numbers."""

    rows: npt.NDArray[np.uint8] | None = None
    """The rows to ``add`` or ``update`` as they are held, ``uint8[n, bytes of a row]``."""

    values: Mapping[str, Any] | None = None
    """The settings to ``set``, as JSON values."""

    @property
    def bytes(self) -> int:
        """About as many as :func:`encode` will give."""
        arrays = (array for array in (self.ids, self.rows) if array is not None)
        return _HEAD.size + sum(array.nbytes for array in arrays)


def encode(operation: Operation) -> bytes:
    """The bytes that FORMAT.md specifies, a multiple of 8."""
    if operation.kind == "set":
        text = json.dumps(operation.values, allow_nan=False, separators=(",", ":")).encode()
        return _padded([_HEAD.pack(_SET, 0, len(text)), text])
    kind = {"add": _ADD_WITH_IDS, "remove": _REMOVE, "update": _UPDATE}[operation.kind]
    if operation.ids is None:
        kind = _ADD
    parts = [part for part in (operation.ids, operation.rows) if part is not None]
    return _padded([_HEAD.pack(kind, 0, len(parts[0])), *(part.tobytes() for part in parts)])


def decode(content: bytes, row_bytes: int) -> Iterator[Operation]:
    """The operations of one record, of an index with rows of ``row_bytes``.

    Raises:
        ValueError: the bytes are none.
    """
    at = 0
    while at < len(content):
        if len(content) - at < _HEAD.size:
            raise ValueError(f"an operation needs {_HEAD.size} bytes, {len(content) - at} are left")
        kind, zero, count = _HEAD.unpack_from(content, at)
        if not _ADD <= kind <= _SET or zero != 0:
            raise ValueError(f"unknown operation {kind}")
        at += _HEAD.size
        length = count * _bytes_each(kind, row_bytes)
        if length > len(content) - at:
            raise ValueError(f"an operation claims {length} bytes, {len(content) - at} are left")
        yield _operation(kind, content[at : at + length], count, row_bytes)
        at += -(-length // 8) * 8


def _bytes_each(kind: int, row_bytes: int) -> int:
    with_ids, with_rows = kind in (_ADD_WITH_IDS, _REMOVE, _UPDATE), kind in _WITH_ROWS
    return 1 if kind == _SET else 8 * with_ids + row_bytes * with_rows


def _operation(kind: int, content: bytes, count: int, row_bytes: int) -> Operation:
    if kind == _SET:
        try:
            values = json.loads(content)
        except RecursionError:
            raise ValueError("settings are nested too deeply") from None
        except ValueError as error:
            raise ValueError(f"settings are no JSON: {error}") from None
        if not isinstance(values, dict):
            raise ValueError("settings must be a JSON object")
        return Operation("set", values=values)
    ids = None if kind == _ADD else np.frombuffer(content, np.int64, count)
    rows = None
    if kind in _WITH_ROWS:
        rows = np.frombuffer(content, np.uint8, offset=0 if ids is None else ids.nbytes)
        rows = rows.reshape(count, row_bytes)
    return Operation(_NAMES[kind], ids, rows)


_WITH_ROWS = (_ADD, _ADD_WITH_IDS, _UPDATE)
_NAMES: dict[int, Kind] = {
    _ADD: "add",
    _ADD_WITH_IDS: "add",
    _REMOVE: "remove",
    _UPDATE: "update",
}


def _padded(parts: list[bytes]) -> bytes:
    size = sum(map(len, parts))
    return b"".join([*parts, bytes(-size % 8)])
