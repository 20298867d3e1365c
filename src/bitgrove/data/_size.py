"""The size at which a folder of pictures is best used."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..runtime import ImageError, Preprocessing
from ._errors import DataError
from ._scan import scan

SIZES = (8, 16, 28, 32, 48, 64)
_SAMPLE = 200
_COLOUR_SAMPLE = 50
_GREY_TOLERANCE = 4
"""Grey levels by which the channels of a grey picture may differ, as after lossy compression."""


class GuessedSize(NamedTuple):
    """A target size: square, ``side`` pixels, with 1 (grey) or 3 (RGB) channels."""

    side: int
    channels: int


def guess_size(source: str | Path | Sequence[Path]) -> GuessedSize:
    """Choose a size for pictures of any sizes.

    The side is the largest of 8, 16, 28, 32, 48 and 64 that does not exceed the median of the
    shorter sides of up to 200 pictures spread evenly over the source (8 where even that exceeds
    it), so that at most half of the pictures are enlarged. One channel suffices where a sample of
    up to 50 of those pictures is grey throughout, up to 4 grey levels.

    Args:
        source: a folder with one sub-folder per class, or the paths of pictures.

    Raises:
        DataError: no picture of the sample can be read.
    """
    if isinstance(source, str | Path):
        listing = scan(Path(source))
        paths = [listing.root / name for name in listing.names]
    else:
        paths = list(source)
    sampled = [paths[i] for i in _spread(len(paths), _SAMPLE)]
    sides = [side for side in map(_shorter_side, sampled) if side]
    if not sides:
        raise DataError(f"none of {len(sampled)} pictures can be read, such as {sampled[:1]}")
    median = statistics.median(sides)
    side = max((size for size in SIZES if size <= median), default=SIZES[0])
    tested = [sampled[i] for i in _spread(len(sampled), _COLOUR_SAMPLE)]
    return GuessedSize(side, 1 if all(_is_grey(path) for path in tested) else 3)


def _spread(count: int, limit: int) -> list[int]:
    """Up to ``limit`` of ``count`` row numbers, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(int)).tolist()


def _shorter_side(path: Path) -> int | None:
    try:
        with warnings.catch_warnings():
            # Only the header is read here; the decoder refuses pictures that are too large.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                return min(image.size)
    except Exception:  # decoders raise whatever their format makes them raise
        return None


def _is_grey(path: Path) -> bool:
    try:
        pixels = _COLOUR_PROBE.decode(path).astype(np.int16)
    except ImageError:
        return True  # says nothing about the others; it is skipped later, by name
    return bool((pixels.max(axis=2) - pixels.min(axis=2)).max() <= _GREY_TOLERANCE)


_COLOUR_PROBE = Preprocessing(64, 64, 3, (0.0,) * 3, (1.0,) * 3)
