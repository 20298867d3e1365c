"""Real numbers in half the room, where that does them no harm."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

RealDtype = Literal["float32", "float16"]
"""What the real numbers of a packed model are stored as."""

SMALLEST, LARGEST = 2.0**-14, 65504.0
"""Between them float16 keeps 11 bits of a number."""

SMALLEST_OF_FILTER = 2.0**-17
"""From here on float16 keeps 8 bits of the largest number of a filter, as 8-bit weights do."""


def check_real_dtype(name: object) -> None:
    """Raise ``ValueError`` unless ``name`` is one of :data:`RealDtype`."""
    if name not in get_args(RealDtype):
        raise ValueError(f"real_dtype must be 'float32' or 'float16', got {name!r}")


def as_real_dtype(
    array: npt.NDArray[np.floating], dtype: RealDtype, *, by_filter: bool
) -> npt.NDArray[np.floating]:
    """A tensor as ``dtype``, or as it is if float16 would lose what its numbers say.

    A number keeps a relative precision of 2**-11 if it is 0 or has a size of ``SMALLEST`` to
    ``LARGEST``. Smaller numbers lose bits and larger ones become infinite. Of a filter, whose
    numbers are added up, only the largest one has to be in range, from ``SMALLEST_OF_FILTER`` on;
    smaller ones are as exact as that one.

    Args:
        array: real numbers, finite.
        dtype: of the result, if that is possible.
        by_filter: the first axis is of filters; else every number stands for itself.

    >>> as_real_dtype(np.float32([[1, 1e-9], [0, 0]]), "float16", by_filter=True).dtype
    dtype('float16')
    >>> as_real_dtype(np.float32([1, 1e-9]), "float16", by_filter=False).dtype
    dtype('float32')
    """
    if dtype == "float32" or array.dtype == np.float16:
        return array.astype(dtype, copy=False)
    size = np.abs(array).reshape(len(array) if by_filter else array.size, -1).max(1)
    smallest = SMALLEST_OF_FILTER if by_filter else SMALLEST
    fits = (size == 0) | ((size >= smallest) & (size <= LARGEST))
    return array.astype(np.float16) if fits.all() else array
