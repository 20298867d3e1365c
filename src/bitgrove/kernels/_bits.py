"""Kernels on packed bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .. import _core
from ..interfaces import PackedCodes, describe


def pack_signs(values: npt.NDArray[np.float32]) -> PackedCodes:
    """Pack the signs of real values into bits; zero, ``-0.0`` too, counts as +1.

    Args:
        values: C-contiguous ``float32`` of shape ``(n, bits)``, without NaN.

    Raises:
        TypeError: ``values`` is of another kind. Nothing is converted.
        ValueError: ``values`` holds NaN, or rows of no bits.

    >>> pack_signs(np.array([[0.5, -1.0, 0.0]], dtype=np.float32)).data
    array([[160]], dtype=uint8)
    """
    if (
        not isinstance(values, np.ndarray)
        or values.dtype != np.float32
        or values.ndim != 2
        or not values.flags.c_contiguous
    ):
        raise TypeError(
            "values must be a C-contiguous float32 array of shape (n, bits), "
            f"got {describe(values)}; convert it with np.ascontiguousarray(values, np.float32)"
        )
    bits = values.shape[1]
    if np.isnan(values).any():
        raise ValueError("values must not hold NaN: its sign is undefined")
    words = np.empty((len(values), (bits + 63) // 64), np.uint64)
    _core.pack_signs(values, words)
    # The kernels number bits from the least significant; codes are in np.packbits order.
    little = words.view(np.uint8)[:, : (bits + 7) // 8]
    return PackedCodes(_REVERSED[little], bits)


def hamming_distances(a: PackedCodes, b: PackedCodes) -> npt.NDArray[np.int32]:
    """Number of differing bits between every row of ``a`` and every row of ``b``.

    Returns:
        ``int32`` of shape ``(len(a), len(b))``, each in ``0 ..= bits``.

    Raises:
        ValueError: the codes differ in length.

    >>> a = PackedCodes.from_signs([[1, 1, -1, 1]])
    >>> b = PackedCodes.from_signs([[-1, 1, -1, 1], [1, 1, -1, 1]])
    >>> hamming_distances(a, b)
    array([[1, 0]], dtype=int32)
    """
    if a.bits != b.bits:
        raise ValueError(f"code lengths differ: a has {a.bits} bits, b has {b.bits} bits")
    out = np.empty((len(a), len(b)), np.int32)
    _core.hamming(_words(a), _words(b), out)
    return out


def binary_matmul(a: PackedCodes, b: PackedCodes) -> npt.NDArray[np.int32]:
    """Dot products of rows of signs: ``a.signs() @ b.signs().T``, by XOR and popcount.

    Returns:
        ``int32`` of shape ``(len(a), len(b))``, each in ``-bits ..= bits`` with the parity of
        ``bits``.

    Raises:
        ValueError: the codes differ in length.

    >>> a = PackedCodes.from_signs([[1, 1, -1]])
    >>> binary_matmul(a, PackedCodes.from_signs([[1, -1, -1], [1, 1, -1]]))
    array([[1, 3]], dtype=int32)
    """
    distances = hamming_distances(a, b)
    return np.subtract(a.bits, np.left_shift(distances, 1, out=distances), out=distances)


_REVERSED = np.packbits(
    np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1), axis=1, bitorder="little"
)[:, 0]
"""Byte ``i`` with its bits in reverse order."""


def _words(codes: PackedCodes) -> npt.NDArray[np.uint64]:
    """Rows padded with zeros to whole words; XOR does not mind the order of bits inside."""
    rows, width = codes.data.shape
    if width % 8 == 0 and codes.data.ctypes.data % 8 == 0 and codes.data.flags.c_contiguous:
        return codes.data.view(np.uint64)
    padded = np.zeros((rows, (width + 7) // 8 * 8), np.uint8)
    padded[:, :width] = codes.data
    return padded.view(np.uint64)
