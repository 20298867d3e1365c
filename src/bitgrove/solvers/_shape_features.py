"""What a picture looks like around the points of a shape."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter


def patches(
    images: npt.NDArray[np.uint8],
    shapes: npt.NDArray[np.floating],
    rows: npt.NDArray[np.integer],
    *,
    side: int,
    spacing: int,
) -> npt.NDArray[np.float32]:
    """Means of squares on a small grid around every point, rounded to whole pixels, in 0 to 1.

    Squares are as wide as the grid's spacing, so they cover the patch without a gap. Beyond the
    border of a picture its last pixel is repeated.

    Args:
        images: ``uint8[n, h, w]``.
        shapes: ``float[m, points, 2]``, x and y.
        rows: the picture of each shape, ``int[m]``.
        side: points of the grid in each direction.
        spacing: pixels between them.

    Returns:
        ``float32[m, points * side * side]``.

    >>> picture = np.arange(9, dtype=np.uint8).reshape(1, 3, 3) * 25
    >>> patches(picture, np.array([[[1.2, 2.0]]]), np.array([0]), side=3, spacing=1) * 255 / 25
    array([[3., 4., 5., 6., 7., 8., 6., 7., 8.]], dtype=float32)
    """
    _, height, width = images.shape
    steps = spacing * (np.arange(side) - side // 2)
    centres = np.rint(np.clip(shapes, -1e6, 1e6)).astype(np.int64)
    x = np.clip(centres[:, :, None, None, 0] + steps, 0, width - 1)
    y = np.clip(centres[:, :, None, None, 1] + steps[:, None], 0, height - 1)
    means: npt.NDArray[np.float32] = images.astype(np.float32) / 255
    if spacing > 1:
        means = uniform_filter(
            means,
            (0, spacing, spacing),  # pyright: ignore[reportArgumentType]
            mode="nearest",
        )
    return means[rows[:, None, None, None], y, x].reshape(len(shapes), -1)
