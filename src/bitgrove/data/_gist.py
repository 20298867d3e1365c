"""GIST: what orientations a picture has, how coarse, and roughly where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import require
from ..interfaces import describe
from ._gist_filters import (
    BORDER,
    CONTRAST_BORDER,
    LOW_PASS_CYCLES,
    gabor_transfer,
    low_pass_transfer,
)

Floats = npt.NDArray[np.float32]

_BATCH_BYTES = 1 << 23
"""Of the spectra in work at a time: small enough for the cache of a core."""


def gist(
    images: npt.NDArray[np.uint8], *, orientations: Sequence[int] = (8, 8, 4), grid: int = 4
) -> Floats:
    """Energies of oriented filters, averaged over the cells of a grid.

    A picture becomes grey (the mean of its channels) and its values are stretched to 0 to 255.
    Logarithm, high pass and division by the local contrast make it independent of the light; then
    each Gabor filter, a bump in the Fourier domain, gives the size of its response in every pixel,
    and each cell of the grid averages it.

    Source: Oliva and Torralba, "Modeling the Shape of the Scene", IJCV 42(3), 2001, with the
    constants of Torralba's LMgist: high pass at 4 cycles a picture, contrast floor 0.2, filters
    centred on 0.3 / 1.85**scale cycles a pixel, borders of 5 and 32 mirrored pixels. LMgist resizes
    pictures to 256 × 256 first; here they stay as they are, as is usual for those of 32 × 32, and
    need not be square. A picture of one grey level has a GIST of zeros.

    Args:
        images: ``uint8[n, h, w]`` or ``uint8[n, h, w, 3]`` (1 channel will do too), each side at
            least ``grid``.
        orientations: of each scale, finest first. ``(8, 8, 4)`` is the 320-D descriptor for a
            grid of 4, ``(8, 8, 8, 8)`` the 512-D one.
        grid: cells along each side.

    Returns:
        ``float32[n, sum(orientations) * grid * grid]``, not negative: the filters scale by scale,
        and for each the cells row by row. Orientation ``j`` of ``m`` answers to waves that run at
        ``180 j / m`` degrees, anticlockwise from the right. A row depends on its picture alone.

    Raises:
        TypeError: ``images`` is no ``uint8`` array, or a count is no integer.
        ValueError: another shape, no orientation, or a picture smaller than the grid.

    >>> across = np.tile(np.array([0, 0, 255, 255], np.uint8), (2, 32, 8))  # waves to the right
    >>> features = gist(across)
    >>> features.shape, features[0].reshape(20, 16).mean(1)[:8].argmax()
    ((2, 320), np.int64(0))
    """
    fft: Any = require("scipy.fft", extra="train", needed_for="bitgrove.data.gist")
    counts = _checked(images, orientations, grid)
    n, height, width = images.shape[:3]
    transfer = gabor_transfer(counts, height + 2 * BORDER, width + 2 * BORDER).astype(np.float32)
    side = max(height, width) + 2 * CONTRAST_BORDER
    side += side % 2
    low_pass = low_pass_transfer(side, LOW_PASS_CYCLES).astype(np.float32)
    rows, columns = _limits(height, grid), _limits(width, grid)
    out = np.empty((n, len(transfer), grid, grid), np.float32)
    batch = max(1, _BATCH_BYTES // (8 * transfer[0].size))
    for start in range(0, n, batch):
        grey = _normalised(fft, _grey(images[start : start + batch]), low_pass)
        spectra = fft.fft2(_mirrored(grey, BORDER, BORDER)).astype(np.complex64, copy=False)
        for number, bump in enumerate(transfer):
            # The border is dropped after each axis, so that no more is transformed than needed.
            response = fft.ifft(spectra * bump, axis=1)[:, BORDER : BORDER + height]
            response = fft.ifft(response, axis=2)[:, :, BORDER : BORDER + width]
            sums = np.add.reduceat(np.abs(response), columns[:-1], axis=2)
            sums = np.add.reduceat(sums, rows[:-1], axis=1)
            out[start : start + batch, number] = sums
    cells = np.diff(rows)[:, None] * np.diff(columns)
    return (out / cells.astype(np.float32)).reshape(n, len(transfer) * grid * grid)


def _checked(images: Any, orientations: Sequence[int], grid: int) -> list[int]:
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        raise TypeError(f"images must be a uint8 array, got {describe(images)}")
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise ValueError(
            f"images must have shape (n, h, w) or (n, h, w, 1 or 3), got {images.shape}"
        )
    counts = list(orientations)
    for name, value in [("grid", grid), *(("orientations", count) for count in counts)]:
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"{name} must hold integers, got {value!r}")
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if not counts:
        raise ValueError("orientations must name at least one scale, got none")
    if min(images.shape[1:3]) < grid:
        raise ValueError(
            f"pictures of {images.shape[1]} × {images.shape[2]} pixels have too few for a grid of "
            f"{grid} × {grid} cells"
        )
    return counts


def _grey(images: npt.NDArray[np.uint8]) -> Floats:
    """The mean of the channels, stretched to 0 to 255; one grey level becomes 0."""
    grey = images.astype(np.float32)
    if grey.ndim == 4:
        grey = grey.sum(3) / np.float32(grey.shape[3])
    grey -= grey.min((1, 2), keepdims=True)
    most = grey.max((1, 2), keepdims=True)
    return grey * (255 / np.where(most > 0, most, np.float32(1)))


def _normalised(fft: Any, grey: Floats, low_pass: Floats) -> Floats:
    """Logarithm, less what varies slowly, over the local contrast."""
    height, width = grey.shape[1:]
    side = len(low_pass)
    padded = np.pad(
        np.log1p(grey),
        ((0, 0), _around(height, side), _around(width, side)),
        mode="symmetric",
    )

    def smooth(pictures: Floats) -> Floats:
        half = low_pass[:, : side // 2 + 1]
        return fft.irfft2(fft.rfft2(pictures) * half, s=(side, side))

    detail = padded - smooth(padded)
    contrast = np.sqrt(np.abs(smooth(detail * detail)))
    inner = (
        slice(CONTRAST_BORDER, CONTRAST_BORDER + height),
        slice(CONTRAST_BORDER, CONTRAST_BORDER + width),
    )
    return (detail / (np.float32(0.2) + contrast))[:, *inner]


def _around(size: int, side: int) -> tuple[int, int]:
    return CONTRAST_BORDER, side - size - CONTRAST_BORDER


def _mirrored(pictures: Floats, rows: int, columns: int) -> Floats:
    return np.pad(pictures, ((0, 0), (rows, rows), (columns, columns)), mode="symmetric")


def _limits(size: int, cells: int) -> npt.NDArray[np.int64]:
    """Where the cells of a side begin, and where the last ends."""
    return np.arange(cells + 1) * size // cells
