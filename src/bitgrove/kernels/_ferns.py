"""Random ferns on rows: the leaf of each fern, and the sum of the leaves' numbers."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import numpy.typing as npt

from .. import _core
from ..interfaces import describe

MAX_DEPTH = 16
_GROUP = 16
"""A row of a table is one number, or whole groups of so many."""

Rows = npt.NDArray[np.float32] | npt.NDArray[np.uint8]


@final
class Ferns:
    """Ferns ready to run: ``depth`` questions each, whose answers number a row of its table.

    Question ``k`` of a fern is whether element ``feature`` of a row is above the threshold, or
    above element ``other`` of the same row; its answer is bit ``k`` of the number of the leaf.
    Rows of ``uint8`` are compared as bytes.

    Args:
        feature: ``int32[ferns, depth]``, depth 1 to 16; elements of a row, from 0.
        threshold: ``float32`` of that shape, without NaN; or give ``other``.
        other: ``int32`` of that shape.
        table: ``float32`` or ``int8`` of shape ``(ferns * 2**depth, k)``, fern after fern.

    Raises:
        TypeError: an array is of another dtype. Nothing is converted.
        ValueError: shapes do not fit, or both or neither of threshold and other are given.

    >>> table = np.float32([[0], [1], [2], [3]])
    >>> ferns = Ferns(np.int32([[0, 1]]), np.float32([[0.5, 0.5]]), None, table)
    >>> x = np.float32([[0, 0], [1, 0], [0, 1], [1, 1]])
    >>> ferns.leaves(x)
    array([[0, 1, 2, 3]], dtype=uint16)
    >>> ferns.votes(x).ravel()
    array([0., 1., 2., 3.], dtype=float32)
    """

    def __init__(
        self,
        feature: npt.NDArray[np.int32],
        threshold: npt.NDArray[np.float32] | None,
        other: npt.NDArray[np.int32] | None,
        table: npt.NDArray[np.float32] | npt.NDArray[np.int8],
    ) -> None:
        _check("feature", feature, (np.int32,))
        ferns, depth = feature.shape
        if not 1 <= depth <= MAX_DEPTH or ferns < 1:
            raise ValueError(f"feature must have shape (ferns, 1 to 16), got {feature.shape}")
        if (threshold is None) == (other is None):
            raise ValueError("give either threshold or other, not both and not neither")
        for name, array, dtype in (
            ("threshold", threshold, np.float32),
            ("other", other, np.int32),
        ):
            if array is None:
                continue
            _check(name, array, (dtype,))
            if array.shape != feature.shape:
                raise ValueError(f"{name} must have shape {feature.shape}, got {array.shape}")
        if threshold is not None and np.isnan(threshold).any():
            raise ValueError("threshold must not hold NaN: nothing is above it")
        _check("table", table, (np.float32, np.int8))
        if len(table) != ferns << depth or table.shape[1] < 1:
            raise ValueError(
                f"table must have {ferns << depth} rows, a row for each leaf, got {table.shape}"
            )
        self.feature = np.ascontiguousarray(feature)
        self.threshold = None if threshold is None else np.ascontiguousarray(threshold)
        self.other = None if other is None else np.ascontiguousarray(other)
        self._bytes = _as_bytes(self.threshold)
        self._table, self._width = _padded(table), table.shape[1]

    def leaves(self, x: Rows, *, threads: int = 1) -> npt.NDArray[np.uint16]:
        """The leaf of every fern for every row, ``uint16[ferns, n]``.

        Args:
            x: C-contiguous ``float32`` or ``uint8`` of shape ``(n, features)``, without NaN.
            threads: at most so many; the result is the same.

        Raises:
            TypeError: ``x`` is of another kind. Nothing is converted.
            ValueError: a question is about an element that rows do not have.
        """
        x, threshold = self._asked(x)
        out = np.empty((len(self.feature), len(x)), np.uint16)
        leaves: Any = _core.fern_leaves  # its overloads are for one dtype each
        leaves(x, self.feature, self.other, threshold, out, threads)
        return out

    def votes(self, x: Rows, *, threads: int = 1) -> npt.NDArray:
        """The sum of the leaves of every row, fern after fern; arguments and errors as `leaves`.

        Returns:
            ``float32[n, k]``, or ``int32`` for a table of ``int8``. The same floats at every SIMD
            level: ferns are added in their order.
        """
        x, threshold = self._asked(x)
        dtype = np.float32 if self._table.dtype == np.float32 else np.int32
        out = np.empty((len(x), self._table.shape[1]), dtype)
        votes: Any = _core.fern_votes  # its overloads are for one dtype each
        votes(x, self.feature, self.other, threshold, self._table, out, threads)
        return out[:, : self._width]

    def _asked(self, x: Rows) -> tuple[Rows, npt.NDArray | None]:
        """Rows and thresholds of one dtype."""
        _check("x", x, (np.float32, np.uint8))
        if not x.flags.c_contiguous:
            raise TypeError("x must be C-contiguous; convert it with np.ascontiguousarray(x)")
        if x.dtype == np.uint8 and self.threshold is not None:
            if self._bytes is not None:
                return x, self._bytes
            x = x.astype(np.float32)  # a byte is above a negative threshold: no byte says that
        if x.dtype == np.float32 and x.size and np.isnan(x.min()):  # NaN is the least of all
            raise ValueError("x must not hold NaN: it is neither above a threshold nor below")
        return x, self.threshold


def _as_bytes(threshold: npt.NDArray[np.float32] | None) -> npt.NDArray[np.uint8] | None:
    """Thresholds that bytes are above exactly where they are above the given ones, if any."""
    if threshold is None or (threshold < 0).any():
        return None
    return np.floor(np.minimum(threshold, 255)).astype(np.uint8)


def _padded(table: npt.NDArray) -> npt.NDArray:
    width = table.shape[1]
    if width == 1 or width % _GROUP == 0:
        return np.ascontiguousarray(table)
    padded = np.zeros((len(table), -(-width // _GROUP) * _GROUP), table.dtype)
    padded[:, :width] = table
    return padded


def _check(name: str, array: object, dtypes: tuple[type, ...]) -> None:
    if not isinstance(array, np.ndarray) or array.dtype not in dtypes or array.ndim != 2:
        wanted = " or ".join(np.dtype(dtype).name for dtype in dtypes)
        raise TypeError(f"{name} must be a {wanted} array of 2 dimensions, got {describe(array)}")
