"""Views of a scene, drawn by the homography of each plane."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ... import require
from ._camera import Lens, Pose
from ._scene import Plane

_SHARPER = 2
"""Each pixel of a view is the mean of so many by so many samples."""

_WALL = 128
"""Grey of what is not covered by a photograph."""


def render(planes: Iterable[Plane], pose: Pose, lens: Lens) -> npt.NDArray[np.float32]:
    """What the camera sees: the nearest plane at each pixel, grey walls elsewhere.

    Returns:
        ``float32[height, width]``, 0 to 255.

    Raises:
        ModuleNotFoundError: OpenCV is not installed.
    """
    cv2 = require("cv2", extra="localisation", needed_for="rendering views")
    fine = lens.times(_SHARPER)
    view = np.full((fine.height, fine.width), _WALL, np.float32)
    nearest = np.zeros((fine.height, fine.width), np.float32)  # 1 / depth
    rows, columns = np.mgrid[: fine.height, : fine.width].astype(np.float32)
    for plane in planes:
        homography = plane.homography(pose, fine)
        if abs(np.linalg.det(homography)) < 1e-12:
            continue  # seen exactly from its edge
        back = np.linalg.inv(homography).astype(np.float32)
        x, y, near = (c[0] * columns + c[1] * rows + c[2] for c in back)
        h, w = plane.texture.shape
        with np.errstate(divide="ignore", invalid="ignore"):
            x, y = x / near, y / near
        # The picture ends half a pixel beyond the middle of its last one.
        inside = (x >= -0.5) & (x <= w - 0.5) & (y >= -0.5) & (y <= h - 0.5) & (near > nearest)
        if not inside.any():
            continue
        drawn = cv2.remap(
            plane.texture.astype(np.float32),
            np.where(inside, x, 0),
            np.where(inside, y, 0),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        view[inside], nearest[inside] = drawn[inside], near[inside]
    return cv2.resize(view, (lens.width, lens.height), interpolation=cv2.INTER_AREA)


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to a view before it is a picture.

    Args:
        gain: factor of all greys, from and to.
        blur: standard deviation of a Gaussian in pixels, from and to.
        noise: standard deviation of each pixel's noise in greys, from and to.
        hidden: whether a strange photograph hides a part of the view.
    """

    gain: tuple[float, float]
    blur: tuple[float, float]
    noise: tuple[float, float]
    hidden: bool

    def photograph(
        self, view: npt.NDArray[np.float32], rng: np.random.Generator
    ) -> npt.NDArray[np.uint8]:
        """The ``uint8[h, w]`` picture of a view."""
        cv2 = require("cv2", extra="localisation", needed_for="rendering views")
        blur = rng.uniform(*self.blur)
        view = cv2.GaussianBlur(view, (0, 0), blur) if blur > 0 else view
        noise = rng.uniform(*self.noise) * rng.standard_normal(view.shape, np.float32)
        return np.clip(np.rint(view * rng.uniform(*self.gain) + noise), 0, 255).astype(np.uint8)


CLEAR = Weather(gain=(0.9, 1.1), blur=(0.0, 0.0), noise=(1.0, 3.0), hidden=False)
HARD = Weather(gain=(0.25, 0.6), blur=(1.0, 2.0), noise=(4.0, 8.0), hidden=True)
