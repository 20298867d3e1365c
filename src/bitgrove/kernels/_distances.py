"""Distances between real vectors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .. import _core
from ..interfaces import describe


def squared_l2_distances(
    a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Squared Euclidean distance between every row of ``a`` and every row of ``b``.

    Every SIMD level gives the same floats, bit for bit; the relative error is about
    ``(dim / 32 + 5) * 6e-8``.

    Args:
        a: C-contiguous ``float32`` of shape ``(n, dim)``, without NaN.
        b: C-contiguous ``float32`` of shape ``(m, dim)``, without NaN.

    Returns:
        ``float32`` of shape ``(n, m)``.

    Raises:
        TypeError: an argument is of another kind. Nothing is converted.
        ValueError: the rows differ in length, or hold NaN.

    >>> a = np.array([[0, 0]], np.float32)
    >>> squared_l2_distances(a, np.array([[3, 4], [0, 1]], np.float32))
    array([[25.,  1.]], dtype=float32)
    """
    _check("a", a)
    _check("b", b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"row lengths differ: a has {a.shape[1]}, b has {b.shape[1]}")
    out = np.empty((len(a), len(b)), np.float32)
    _core.l2_f32(a, b, out)
    return out


def _check(name: str, rows: npt.NDArray[np.float32]) -> None:
    if (
        not isinstance(rows, np.ndarray)
        or rows.dtype != np.float32
        or rows.ndim != 2
        or not rows.flags.c_contiguous
    ):
        raise TypeError(
            f"{name} must be a C-contiguous float32 array of shape (n, dim), got {describe(rows)}; "
            f"convert it with np.ascontiguousarray({name}, np.float32)"
        )
    if np.isnan(rows).any():
        raise ValueError(f"{name} must not hold NaN: it is at no distance from anything")
