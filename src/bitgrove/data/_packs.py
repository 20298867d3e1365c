"""Archives of JPEG files that share one header, which is stored once."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image


def decoded(
    pack: Mapping[str, npt.NDArray], side: int, mode: Literal["RGB", "L"] = "RGB"
) -> npt.NDArray[np.uint8]:
    """All pictures of a pack, ``uint8[n, side, side, channels]``.

    ``offsets`` bound the pictures in ``scans``; each begins with ``header``.

    Raises:
        OSError, KeyError, ValueError: the pack is damaged.
    """
    header, scans = pack["header"].tobytes(), pack["scans"].tobytes()
    offsets = pack["offsets"].tolist()
    channels = 3 if mode == "RGB" else 1
    pixels = np.empty((len(offsets) - 1, side, side, channels), np.uint8)
    for row, start, end in zip(pixels, offsets, offsets[1:], strict=False):
        with Image.open(io.BytesIO(header + scans[start:end])) as image:
            row[...] = np.asarray(image.convert(mode)).reshape(image.height, image.width, channels)
    return pixels
