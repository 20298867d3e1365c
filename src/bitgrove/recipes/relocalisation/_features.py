"""Keypoints of a picture with their SIFT descriptors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ... import require
from ...interfaces import describe


class Features(NamedTuple):
    """Keypoints, the strongest first.

    A ``NamedTuple`` of pixels ``float32[n, 2]``, x then y, and descriptors ``uint8[n, 128]``.
    """

    pixels: npt.NDArray[np.float32]
    descriptors: npt.NDArray[np.uint8]


def detect(image: npt.NDArray[np.uint8], most: int, contrast: float = 0.02) -> Features:
    """SIFT keypoints (Lowe, IJCV 2004).

    Args:
        image: grey, ``uint8[h, w]``.
        most: keypoints to keep, the strongest.
        contrast: OpenCV's threshold; it keeps fewer at its default of 0.04.

    Raises:
        TypeError: ``image`` is of another kind.
        ValueError: ``most`` is below 1.
        ModuleNotFoundError: OpenCV is not installed.
    """
    cv2 = require("cv2", extra="localisation", needed_for="finding keypoints")
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 2:
        raise TypeError(f"image must be a uint8 array of shape (h, w), got {describe(image)}")
    if most < 1:
        raise ValueError(f"most must be at least 1, got {most}")
    found, rows = cv2.SIFT_create(contrastThreshold=contrast).detectAndCompute(image, None)
    if not found:
        return Features(np.empty((0, 2), np.float32), np.empty((0, 128), np.uint8))
    pixels = np.array([point.pt for point in found], np.float32)
    strength = np.array([point.response for point in found])
    order = np.lexsort((pixels[:, 1], pixels[:, 0], -strength))[:most]
    descriptors = np.clip(np.rint(rows[order]), 0, 255).astype(np.uint8)
    return Features(pixels[order], descriptors)
