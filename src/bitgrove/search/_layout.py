"""What the rows of an index are, and the checks that vectors and queries pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .. import _core
from ..interfaces import describe

METRICS = ("l2", "ip", "cosine", "hamming")
DTYPES = {"float32": np.float32, "float16": np.float16, "uint8": np.uint8, "bits": np.uint8}
_MAX_DIM = 1 << 24


class HasDLPack(Protocol):
    """An array of another library, such as a torch tensor."""

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any:
        """The memory as a capsule."""
        ...

    def __dlpack_device__(self) -> tuple[int, int]:
        """Where it is: the kind of the device and its number."""
        ...


Array = npt.NDArray | HasDLPack
"""What is accepted as an array; nothing is copied or converted."""

_CPU = 1
"""Of DLPack's device types."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Metric, element type and length of the rows of an index."""

    dim: int
    metric: str
    dtype: str

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {self.metric!r}")
        if self.dtype not in tuple(DTYPES):
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")
        if (self.metric == "hamming") != (self.dtype == "bits"):
            raise ValueError(
                "metric 'hamming' and dtype 'bits' go together, "
                f"got metric {self.metric!r} and dtype {self.dtype!r}"
            )
        most = _core.MAX_UINT8_DIM if self.dtype == "uint8" else _MAX_DIM
        dim = positive_int("dim", self.dim)
        if dim > most:
            raise ValueError(f"dim must be in 1 ..= {most} for {self.dtype}, got {self.dim}")
        object.__setattr__(self, "dim", dim)  # numpy's ints are no JSON

    @property
    def width(self) -> int:
        """Columns of an array of rows."""
        return (self.dim + 7) // 8 if self.dtype == "bits" else self.dim

    @property
    def row_bytes(self) -> int:
        """Of a row as it is held."""
        return self.width * np.dtype(DTYPES[self.held_dtype]).itemsize

    @property
    def held_dtype(self) -> str:
        """How rows are held: for cosine as unit vectors in ``float32``, else as they come."""
        return "float32" if self.metric == "cosine" else self.dtype

    def check(self, name: str, rows: Array) -> npt.NDArray:
        """The rows as an aligned C-contiguous array; values and dtype are never changed.

        Raises:
            TypeError: not a two-dimensional array of the index's dtype, in the memory of the CPU.
            ValueError: rows of another length.
        """
        rows = as_numpy(name, rows)
        self._check_shape(name, rows, self.dtype, TypeError)
        return np.require(rows, requirements=["C", "A"])

    def check_held(self, name: str, rows: object) -> npt.NDArray:
        """Like :meth:`check`, for rows as :meth:`held` returns them; always a ``ValueError``."""
        self._check_shape(name, rows, self.held_dtype, ValueError)
        return np.require(rows, requirements=["C", "A"])

    def held(self, name: str, rows: npt.NDArray) -> npt.NDArray:
        """Checked rows as the index holds them: for cosine scaled to length one.

        Raises:
            ValueError: a row without a direction, for cosine.
        """
        if self.metric != "cosine":
            return rows
        wide = rows.astype(np.float32)
        if not np.isfinite(wide).all():
            bad = int(np.flatnonzero(~np.isfinite(wide).all(1))[0])
            raise ValueError(f"{name} row {bad} holds NaN or infinity")
        unit = np.empty_like(wide)
        first_zero = _core.unit_rows(wide, unit)
        if first_zero < len(wide):
            raise ValueError(f"{name} row {first_zero} is zero: it has no direction for cosine")
        return unit

    def _check_shape(
        self, name: str, rows: object, dtype: str, kind_error: type[TypeError] | type[ValueError]
    ) -> None:
        expected = np.dtype(DTYPES[dtype])
        if not isinstance(rows, np.ndarray) or rows.dtype != expected or rows.ndim != 2:
            packed = " of rows packed by np.packbits" if dtype == "bits" else ""
            raise kind_error(
                f"{name} must be a {expected} array{packed} of shape (n, {self.width}), "
                f"got {describe(rows)}"
            )
        if rows.shape[1] != self.width:
            raise ValueError(
                f"{name} must have {self.width} columns (dim {self.dim}), got shape {rows.shape}"
            )


def as_numpy(name: str, value: Any) -> Any:
    """The same memory as a numpy array, for arrays of other libraries; anything else as it is.

    Raises:
        TypeError: it cannot be shared.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array: every element counts; fill it first")
    if isinstance(value, np.ndarray) or not hasattr(value, "__dlpack_device__"):
        return value
    try:
        device = int(value.__dlpack_device__()[0])
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise TypeError(f"{name}: {_named(value)} cannot be shared with numpy: {error}") from None
    if device != _CPU:
        raise TypeError(
            f"{name} must be in the memory of the CPU, got {_named(value)} on a device of DLPack "
            f"type {device}; copy it first, as torch does by .cpu()"
        )
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError) as error:
        raise TypeError(f"{name}: {_named(value)} cannot be shared with numpy: {error}") from None


def _named(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__name__}"


def as_bytes(rows: npt.NDArray) -> npt.NDArray[np.uint8]:
    """The memory of C-contiguous rows, ``uint8[n, bytes of a row]``."""
    return rows.view(np.uint8)


def positive_int(name: str, value: Any) -> int:
    """An int, numpy's too, of at least 1.

    Raises:
        TypeError: another type; a bool is none, nor a time of numpy.
        ValueError: below 1.
    """
    # numpy calls its timedelta64 an integer.
    no_int = isinstance(value, bool | np.bool_ | np.timedelta64)
    if no_int or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an int, got {describe(value)}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return int(value)
