"""Fitted attributes as arrays by name and a tree of JSON, and back; nothing else is ever made."""

from __future__ import annotations

import dataclasses
import importlib
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..interfaces import describe

_DEPTH = 6
_OWN = re.compile(r"bitgrove\.hashing\.[a-z_]+")
"""Modules whose records are known."""


def encode(name: str, value: object, arrays: dict[str, npt.NDArray], depth: int = 0) -> Any:
    """The JSON that stands for a value; the arrays in it are put among ``arrays``.

    None, bools, ints, floats, strings, arrays of numbers, bools or strings, and lists, tuples and
    dicts of these are possible; and records of this package: its dataclasses and named tuples.

    Raises:
        TypeError: anything else, by name.

    >>> arrays = {}
    >>> encode("mean_", [np.zeros(2), 0.5, "a"], arrays), list(arrays)
    ([{'array': 'mean_.0'}, 0.5, 'a'], ['mean_.0'])
    >>> decode([{"array": "mean_.0"}, 0.5, "a"], arrays)
    [array([0., 0.]), 0.5, 'a']
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if depth < _DEPTH:
        if isinstance(value, np.ndarray):
            return _encode_array(name, value, arrays)
        if (fields := _fields(value)) is not None:
            entries = {k: encode(f"{name}.{k}", v, arrays, depth + 1) for k, v in fields.items()}
            return {"record": [type(value).__module__, type(value).__name__], "fields": entries}
        if isinstance(value, list | tuple):
            items = [encode(f"{name}.{i}", v, arrays, depth + 1) for i, v in enumerate(value)]
            return {"tuple": items} if isinstance(value, tuple) else items
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            entries = {k: encode(f"{name}.{k}", v, arrays, depth + 1) for k, v in value.items()}
            return {"dict": entries}
    raise TypeError(
        f"{name} cannot be saved: it is {describe(value)}; possible are numbers, strings, None, "
        "arrays, and lists, tuples and dicts of these"
    )


def decode(value: object, arrays: Mapping[str, npt.NDArray], depth: int = 0) -> Any:
    """What :func:`encode` was given; arrays may be written to.

    Raises:
        ValueError: the JSON stands for nothing.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth > _DEPTH:
        raise ValueError("values are nested too deeply")
    if isinstance(value, list):
        return [decode(item, arrays, depth + 1) for item in value]
    match value:
        case {"float": "nan" | "inf" | "-inf" as text}:
            return float(text)
        case {"array": str(name)} if name in arrays:
            return np.array(arrays[name])
        case {"transposed": str(name)} if name in arrays:
            return np.array(arrays[name]).T
        case {"strings": list(strings), "shape": list(shape)}:
            return _decode_strings(strings, shape)
        case {"record": [str(module), str(name)], "fields": dict(entries)}:
            fields = {key: decode(item, arrays, depth + 1) for key, item in entries.items()}
            return _record(module, name)(**fields)
        case {"tuple": list(items)}:
            return tuple(decode(item, arrays, depth + 1) for item in items)
        case {"dict": dict(entries)}:
            return {key: decode(item, arrays, depth + 1) for key, item in entries.items()}
    raise ValueError(f"an entry stands for no value: {str(value)[:60]}")


def _fields(value: object) -> dict[str, Any] | None:
    """Of a record of this package."""
    if not _OWN.fullmatch(type(value).__module__):
        return None
    if dataclasses.is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: getattr(value, name) for name in value._fields}  # pyright: ignore[reportAttributeAccessIssue]
    return None


def _record(module: str, name: str) -> Any:
    """A dataclass or named tuple of this package; a file can name nothing else."""
    found: Any = None
    if _OWN.fullmatch(module):
        try:
            found = getattr(importlib.import_module(module), name, None)
        except ImportError:
            found = None
    if not isinstance(found, type) or found.__module__ != module:
        raise ValueError(f"there is no record {name[:40]!r} in {module[:60]!r}")
    if not dataclasses.is_dataclass(found) and not (
        issubclass(found, tuple) and hasattr(found, "_fields")
    ):
        raise ValueError(f"{name[:40]!r} in {module[:60]!r} is no record")
    return found


def _encode_array(name: str, array: npt.NDArray, arrays: dict[str, npt.NDArray]) -> Any:
    kind = array.dtype.kind
    if kind == "U" or (kind == "O" and all(isinstance(item, str) for item in array.flat)):
        return {"strings": [str(item) for item in array.flat], "shape": list(array.shape)}
    if kind not in "buif" or array.dtype.itemsize > 8:
        raise TypeError(f"{name} cannot be saved: it is an array of {array.dtype}")
    if array.ndim == 0:
        return encode(name, array.item(), arrays)
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        arrays[name] = array.T  # products of matrices round otherwise in another order of memory
        return {"transposed": name}
    arrays[name] = array
    return {"array": name}


def _decode_strings(strings: list[Any], shape: list[Any]) -> npt.NDArray:
    if not all(isinstance(item, str) for item in strings):
        raise ValueError("an array of strings holds something else")
    if not all(type(extent) is int and 0 <= extent <= len(strings) for extent in shape):
        raise ValueError("an array of strings has an impossible shape")
    if math.prod(shape) != len(strings):
        raise ValueError("an array of strings has another shape than it says")
    return np.array(strings, dtype=np.str_).reshape(shape)
