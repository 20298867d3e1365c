"""Rows that need not fit in memory: an array, a memory map, or a ``.npy`` file, by blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

from ..interfaces import describe

Source = npt.NDArray | str | os.PathLike[str]

_BLOCK_ELEMENTS = 1 << 22
_MOST_SQUARED = float(np.finfo(np.float32).max) / 4
"""Of a row's length, so that no squared distance overflows float32."""


@final
class Rows:
    """Rows of uint8 or float32, read block by block in their order.

    Args:
        name: of the argument, for errors.
        source: shape ``(n, dim)``; or the path of a ``.npy`` file that holds such an array, which
            is then mapped, not read.

    Raises:
        TypeError: neither, or an array of another dtype. Nothing is converted.
        ValueError: not two axes, no row or no column, or a file that is no such array.
        OSError: the file cannot be read.
    """

    def __init__(self, name: str, source: Source) -> None:
        self.name = name
        array = source if isinstance(source, np.ndarray) else _mapped(name, source)
        if array.dtype not in (np.uint8, np.float32):
            raise TypeError(f"{name} must be uint8 or float32, got {describe(array)}; convert it")
        if array.ndim != 2 or 0 in array.shape:
            raise ValueError(f"{name} must have shape (n, dim), neither 0, got {describe(array)}")
        self._array = array
        self._block = max(64, _BLOCK_ELEMENTS // array.shape[1])

    @property
    def dim(self) -> int:
        """Elements of a row."""
        return self._array.shape[1]

    def __len__(self) -> int:
        return len(self._array)

    def blocks(self) -> Iterator[tuple[slice, npt.NDArray]]:
        """The numbers of some rows, and these as they are held, C-contiguous, until all are done.

        Raises:
            ValueError: a row holds NaN or infinity, or is too long, named.
        """
        for start in range(0, len(self), self._block):
            here = slice(start, min(start + self._block, len(self)))
            block = np.require(self._array[here], requirements=["C", "A"])
            self._check(block, range(here.start, here.stop))
            yield here, block

    def take(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """The rows of these numbers, in float32.

        Raises:
            ValueError: as :meth:`blocks`.
        """
        block = self._array[numbers]
        self._check(block, numbers)
        return np.ascontiguousarray(block, np.float32)

    def _check(self, block: npt.NDArray, numbers: npt.NDArray[np.int64] | range) -> None:
        if block.dtype == np.uint8:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            squared = np.einsum("ij,ij->i", block, block)
        good = squared <= _MOST_SQUARED
        if good.all():
            return
        bad = int(good.argmin())
        why = "is so long that distances overflow; scale it down"
        if not np.isfinite(block[bad]).all():
            why = "holds NaN or infinity"
        raise ValueError(f"{self.name} row {numbers[bad]} {why}")


def as_float32(block: npt.NDArray) -> npt.NDArray[np.float32]:
    """Bytes or floats as floats; floats are not copied."""
    return block.astype(np.float32, copy=False)


def _mapped(name: str, source: object) -> npt.NDArray:
    if not isinstance(source, str | os.PathLike):
        raise TypeError(
            f"{name} must be an array or the path of a .npy file, got {describe(source)}"
        )
    path = Path(source)
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except ValueError as error:
        raise ValueError(f"{name}: {path} is no .npy file of numbers: {error}") from None
