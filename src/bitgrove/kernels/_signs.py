"""The sign of real numbers and a gradient that stands in for its own, in one pass each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .. import _core
from ..interfaces import describe

_Floats = npt.NDArray[np.float32]


def signs(values: _Floats, out: _Floats, *, threads: int = 1) -> None:
    """Write +1 where ``values >= 0`` (``-0.0`` too) and -1 elsewhere (NaN too).

    Args:
        values: C-contiguous ``float32`` of shape ``(n,)``.
        out: where to write, of the same kind; may be ``values`` itself, but not
            overlap it in another way.
        threads: at most so many, each for half a million values; the result is the same.

    Raises:
        TypeError: an argument is of another kind. Nothing is converted.
        ValueError: the arguments differ in length, or ``threads`` is below 1.

    >>> x = np.array([-2.0, -0.0, 3.0], np.float32)
    >>> signs(x, x); x
    array([-1.,  1.,  1.], dtype=float32)
    """
    _check(threads, values=values, out=out)
    _core.signs(values, out, threads)


def approx_gradient(gradient: _Floats, values: _Floats, out: _Floats, *, threads: int = 1) -> None:
    """Write ``gradient`` times ``2 max(1 - |values|, 0)``, the slope of Bi-Real Net's ApproxSign.

    Args:
        gradient: C-contiguous ``float32`` of shape ``(n,)``.
        values: of the same kind; the result is NaN where they are.
        out: of the same kind; may be ``gradient`` or ``values`` itself, but not overlap them in
            another way.
        threads: as for :func:`signs`.

    Raises:
        TypeError: an argument is of another kind. Nothing is converted.
        ValueError: the arguments differ in length, or ``threads`` is below 1.

    >>> g, x = np.array([[5.0, 6.0], [-0.5, 1.5]], np.float32)
    >>> approx_gradient(g, x, out=g); g
    array([5., 0.], dtype=float32)
    """
    _check(threads, gradient=gradient, values=values, out=out)
    _core.approx_gradient(gradient, values, out, threads)


def _check(threads: int, **arrays: _Floats) -> None:
    for name, array in arrays.items():
        if (
            not isinstance(array, np.ndarray)
            or array.dtype != np.float32
            or array.ndim != 1
            or not array.flags.c_contiguous
        ):
            raise TypeError(
                f"{name} must be a C-contiguous float32 array of shape (n,), "
                f"got {describe(array)}; convert it with np.ascontiguousarray({name}, np.float32)"
            )
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the arrays must be of one length, got {lengths}")
    if not arrays["out"].flags.writeable:
        raise ValueError("out must be writeable, and is read-only")
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
