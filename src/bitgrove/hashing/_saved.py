"""Fitted encoders as files: the name of a class, numbers and strings; no code, no pickle."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import files
from ._encoder import HashEncoder
from ._values import decode, encode

KIND, VERSION = "hash-encoder", 1
_MOST_BITS = 1 << 20
_MOST_FEATURES = 1 << 24

_BROKEN = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a method may raise that computes with numbers that do not fit together."""


def save(encoder: HashEncoder, path: str | os.PathLike[str]) -> None:
    """Write a fitted encoder; :meth:`HashEncoder.save` says how."""
    arrays: dict[str, npt.NDArray] = {}
    state = {name: encode(name, value, arrays) for name, value in encoder._state().items()}
    unexpected: dict[str, npt.NDArray] = {}
    parameters = {
        name: encode(f"the parameter {name}", value, unexpected)
        for name, value in encoder.get_params(deep=False).items()
    }
    if unexpected:
        raise TypeError(f"{next(iter(unexpected))} cannot be saved: it is an array")
    files.write(
        path,
        arrays,
        {"class": _name_of(type(encoder)), "parameters": parameters, "state": state},
        kind=KIND,
        version=VERSION,
    )


def load(path: str | os.PathLike[str]) -> HashEncoder:
    """Read an encoder that :meth:`HashEncoder.save` wrote.

    The file holds numbers and strings, each byte of them checked; nothing in it is run. What a
    hostile file can give is an encoder with other numbers.

    Args:
        path: the file.

    Returns:
        An encoder of the class that was saved. One of your own is found by its module and name,
        which must have been imported.

    Raises:
        FileFormatError: a damaged file, one of another kind or a newer version, of a class that is
            not known, or an undamaged one whose numbers make no encoder.
        OSError: the file cannot be read.

    >>> import pathlib, tempfile
    >>> from bitgrove.hashing import LSH
    >>> path, rows = pathlib.Path(tempfile.mkdtemp()) / "a.hash", np.eye(4)
    >>> encoder = LSH(bits=8, random_state=0).fit(rows)
    >>> encoder.save(path)
    >>> bool((load(path).encode(rows) == encoder.encode(rows)).all())
    True
    """
    arrays, metadata = files.read(path, kind=KIND, version=VERSION)
    try:
        return _restored(arrays, metadata)
    except _BROKEN as error:
        raise files.FileFormatError(f"{path}: it holds no encoder: {error}") from None


def _restored(arrays: Mapping[str, npt.NDArray], metadata: Mapping[str, Any]) -> HashEncoder:
    match metadata:
        case {"class": str(name), "parameters": dict(saved), "state": dict(entries)}:
            pass
        case _:
            raise ValueError("its metadata must have class, parameters and state")
    known = {_name_of(cls): cls for cls in _subclasses(HashEncoder)}
    if name not in known:
        raise ValueError(f"no class {name[:80]!r} is known; import the module that defines it")
    cls = known[name]
    parameters = {key: decode(value, {}) for key, value in saved.items()}
    expected = set(cls._get_param_names())
    if parameters.keys() != expected:
        raise ValueError(f"{name} has the parameters {sorted(expected)}, got {sorted(parameters)}")
    bits = parameters.get("bits")
    if type(bits) is not int or not 1 <= bits <= _MOST_BITS:
        raise ValueError(f"bits must be in 1 ..= {_MOST_BITS}, got {bits!r}")
    state = {key: decode(value, arrays) for key, value in entries.items()}
    width = state.get("n_features_in_")
    if type(width) is not int or not 1 <= width <= _MOST_FEATURES:
        raise ValueError(f"n_features_in_ must be in 1 ..= {_MOST_FEATURES}, got {width!r}")
    encoder = cls(**parameters)
    encoder._restore(state)
    _try(encoder, width, bits)
    return encoder


def _try(encoder: HashEncoder, width: int, bits: int) -> None:
    """Arrays that do not fit together are found out now, not at the first use."""
    with np.errstate(all="ignore"):
        projected = np.asarray(encoder._project(np.zeros((2, width))))
    plain = type(encoder).encode is HashEncoder.encode
    expected = (2, bits) if plain else (2, *projected.shape[1:])
    if projected.shape != expected or projected.ndim != 2 or projected.dtype.kind != "f":
        raise ValueError(f"it gives codes of shape {projected.shape}, not (2, {bits})")
    if not plain and encoder.encode(np.zeros((2, width))).shape != (2, -(-bits // 8)):
        raise ValueError(f"it gives codes of other than {bits} bits")
    if not np.isfinite(projected).all():
        raise ValueError("it gives numbers that are not finite")


def _name_of(cls: type) -> str:
    own = cls.__module__.split(".")[:2] == ["bitgrove", "hashing"]
    return cls.__qualname__ if own else f"{cls.__module__}.{cls.__qualname__}"


def _subclasses(cls: type[HashEncoder]) -> Iterator[type[HashEncoder]]:
    for below in cls.__subclasses__():
        yield below
        yield from _subclasses(below)
