"""The C API through ctypes: what a C program sees, with numpy arrays around it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

_ERROR_SIZE = 300
_SIZE, _TEXT, _POINTER = ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p


class RefusedError(Exception):
    """What the library wrote into ``error``."""


class Library:
    """A loaded ``libbitgrove``."""

    def __init__(self, path: Path) -> None:
        self.c = ctypes.CDLL(str(path))
        tail = [_TEXT, _SIZE]
        for name, result, arguments in [
            ("version", _TEXT, []),
            ("format_version", ctypes.c_int, []),
            ("simd_level", _TEXT, []),
            ("load", _POINTER, [_TEXT, *tail]),
            ("load_memory", _POINTER, [_POINTER, _SIZE, *tail]),
            ("free", None, [_POINTER]),
            ("input_rank", _SIZE, [_POINTER]),
            ("input_size", _SIZE, [_POINTER, _SIZE]),
            ("input_count", _SIZE, [_POINTER]),
            ("logit_count", _SIZE, [_POINTER]),
            ("embedding_count", _SIZE, [_POINTER]),
            ("label", _TEXT, [_POINTER, _SIZE]),
            ("run_bytes", _SIZE, [_POINTER]),
            ("run", ctypes.c_int, [_POINTER, _POINTER, _SIZE, _POINTER, _SIZE, *tail]),
            ("embed", ctypes.c_int, [_POINTER, _POINTER, _SIZE, _POINTER, _SIZE, *tail]),
            ("has_preprocessing", ctypes.c_int, [_POINTER]),
            ("preprocess", ctypes.c_int, [_POINTER, _POINTER, _SIZE, _POINTER, *tail]),
        ]:
            function = getattr(self.c, f"bitgrove_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def open(self, source: Path | bytes) -> Model:
        """Load a file or its bytes; :class:`RefusedError` with the reason."""
        error = ctypes.create_string_buffer(b"untouched", _ERROR_SIZE)
        if isinstance(source, bytes):
            handle = self.load_memory(source, len(source), error, len(error))
        else:
            handle = self.load(bytes(source), error, len(error))
        if not handle:
            raise RefusedError(error.value.decode())
        assert error.value == b""
        return Model(self, handle)


class Model:
    """A model of the library; freed with the object."""

    def __init__(self, library: Library, handle: int) -> None:
        self.library, self.handle = library, handle

    def __del__(self) -> None:
        self.library.free(self.handle)

    @property
    def shape(self) -> tuple[int, ...]:
        rank = self.library.input_rank(self.handle)
        return tuple(self.library.input_size(self.handle, axis) for axis in range(rank))

    @property
    def labels(self) -> list[str]:
        names = []
        while (name := self.library.label(self.handle, len(names))) is not None:
            names.append(name.decode())
        return names

    def run(self, x: npt.NDArray[np.float32], threads: int = 1) -> npt.NDArray[np.float32]:
        out = np.full((len(x), self.library.logit_count(self.handle)), np.nan, np.float32)
        return self._call(self.library.run, x, out, threads)

    def embed(self, x: npt.NDArray[np.float32], threads: int = 1) -> npt.NDArray[np.float32]:
        out = np.full((len(x), self.library.embedding_count(self.handle)), np.nan, np.float32)
        return self._call(self.library.embed, x, out, threads)

    def preprocess(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        out = np.full((len(pixels), *self.shape), np.nan, np.float32)
        return self._call(self.library.preprocess, pixels, out)

    def _call(
        self, function: Callable[..., int], x: npt.NDArray, out: npt.NDArray[np.float32], *more: int
    ) -> npt.NDArray[np.float32]:
        assert x.flags.c_contiguous
        error = ctypes.create_string_buffer(b"untouched", _ERROR_SIZE)
        failed = function(
            self.handle, x.ctypes.data, len(x), out.ctypes.data, *more, error, len(error)
        )
        if failed:
            raise RefusedError(error.value.decode())
        assert error.value == b""
        return out
