"""Codes as other libraries write them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from ..interfaces import PackedCodes, describe
from ._layout import Array, as_numpy, positive_int

CodeLayout = Literal["packbits", "signed", "little"]

_DTYPES = {"packbits": np.uint8, "signed": np.int8, "little": np.uint8}
_SIGN = np.uint8(128)


def import_codes(
    codes: Array, bits: int, layout: CodeLayout = "packbits", *, mask_padding: bool = False
) -> npt.NDArray[np.uint8]:
    """Codes of another library as all indexes here take them: ``np.packbits`` order.

    A cast from one layout to another gives wrong distances without an error, so nothing is guessed:
    the dtype must be that of the layout. Hamming distances are the same in all of them.

    Args:
        codes: of shape ``(n, ceil(bits / 8))``.
        bits: length of a code; it need not be a multiple of 8.
        layout: ``"packbits"``: uint8, the first bit highest, as ``faiss.IndexBinaryFlat`` holds
            them and ``quantize_embeddings(..., "ubinary")`` of sentence-transformers makes them.
            ``"signed"``: int8, the same less 128, its ``"binary"``. ``"little"``: uint8, the first
            bit lowest, as ``faiss.fvecs2bitvecs`` and ``np.packbits(..., bitorder="little")``.
        mask_padding: clear set bits behind the last instead of refusing them.

    Raises:
        TypeError: another dtype than the layout's.
        ValueError: another width, an unknown layout, or set padding bits.

    >>> import_codes(np.array([[32, -128]], np.int8), bits=12, layout="signed")
    array([[160,   0]], dtype=uint8)
    """
    plain = _reordered(_checked(codes, bits, layout), layout)
    if mask_padding and bits % 8:
        plain = plain.copy()
        plain[:, -1] &= ~np.uint8(0xFF >> bits % 8)
    try:
        return PackedCodes(plain, bits).data
    except ValueError as error:
        raise ValueError(f"{error}; mask_padding=True clears them") from None


def export_codes(codes: Array, bits: int, layout: CodeLayout) -> npt.NDArray:
    """Codes in ``np.packbits`` order as another library takes them; see :func:`import_codes`.

    An index of faiss has ``8 * codes.shape[1]`` dimensions: padding bits are zero on both sides and
    add nothing to a distance.

    Raises:
        TypeError: codes that are not ``uint8``.
        ValueError: another width, an unknown layout, or set padding bits.

    >>> export_codes(np.array([[160, 0]], np.uint8), 12, "signed")
    array([[  32, -128]], dtype=int8)
    """
    plain = PackedCodes(_checked(codes, bits, "packbits"), bits).data
    _check_layout(layout)
    if layout == "signed":
        return (plain ^ _SIGN).view(np.int8)
    return _reordered(plain, layout)


def _checked(codes: Array, bits: int, layout: CodeLayout) -> npt.NDArray:
    _check_layout(layout)
    array = as_numpy("codes", codes)
    width = -(-positive_int("bits", bits) // 8)
    expected = np.dtype(_DTYPES[layout])
    if not isinstance(array, np.ndarray) or array.dtype != expected or array.ndim != 2:
        raise TypeError(
            f"codes of layout {layout!r} must be a {expected} array of shape (n, {width}), "
            f"got {describe(array)}"
        )
    if array.shape[1] != width:
        raise ValueError(f"codes of {bits} bits have {width} bytes a row, got {array.shape[1]}")
    return np.ascontiguousarray(array)


def _check_layout(layout: str) -> None:
    if layout not in _DTYPES:
        raise ValueError(f"layout must be one of {', '.join(_DTYPES)}, got {layout!r}")


def _reordered(codes: npt.NDArray, layout: CodeLayout) -> npt.NDArray[np.uint8]:
    if layout == "signed":
        return codes.view(np.uint8) ^ _SIGN
    if layout == "little":
        return np.packbits(np.unpackbits(codes, axis=1, bitorder="little"), axis=1)
    return codes
