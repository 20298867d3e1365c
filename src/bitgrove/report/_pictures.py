"""Pictures inside the page, as data URIs."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..interfaces import describe

TILE = 80
"""CSS pixels of the square that a picture lies in."""

_STORED = 2 * TILE
"""Pixels kept of a larger picture's longer side: sharp on a dense screen, small in the page."""

_SMALL = 64
"""Pixels up to which a picture is kept as it is and shown pixel by pixel."""

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image element."""

    uri: str
    width: int
    """CSS pixels."""
    height: int
    pixelated: bool


def picture(pixels: npt.NDArray[np.uint8]) -> Picture:
    """Encode ``uint8[h, w, c]`` with 1, 3 or 4 channels.

    Small pictures are enlarged by a whole number, so that all their pixels look alike; larger ones
    are shrunk to fit.

    Raises:
        TypeError: another dtype or number of dimensions.
        ValueError: another number of channels, or no pixels.
    """
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3:
        raise TypeError(f"pixels must be a uint8 array of shape (h, w, c), got {describe(pixels)}")
    height, width, channels = pixels.shape
    if channels not in _MODES or not pixels.size:
        raise ValueError(
            f"pixels must have 1, 3 or 4 channels and at least one pixel, got {describe(pixels)}"
        )
    image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    longer = max(height, width)
    if longer > _SMALL:
        image.thumbnail((_STORED, _STORED), Image.Resampling.LANCZOS)
    scale = TILE // longer if longer <= _SMALL else TILE / longer
    return Picture(
        uri=_uri(image, lossless=longer <= _SMALL or channels == 4),
        width=max(1, round(width * scale)),
        height=max(1, round(height * scale)),
        pixelated=longer <= _SMALL,
    )


def _uri(image: Image.Image, *, lossless: bool) -> str:
    buffer = io.BytesIO()
    if lossless:
        image.save(buffer, "PNG", optimize=True)
    else:
        image.save(buffer, "JPEG", quality=85)
    kind = "png" if lossless else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
