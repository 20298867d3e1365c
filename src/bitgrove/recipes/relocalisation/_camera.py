"""Pinhole cameras: where they stand and what lies where in their pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lens:
    """A pinhole without distortion, its axis through the middle of the picture.

    Args:
        focal: focal length in pixels, above 0.
        width: of the picture in pixels, at least 1.
        height: of the picture in pixels, at least 1.

    Raises:
        ValueError: out of range.

    >>> Lens(500.0, 641, 481).matrix
    array([[500.,   0., 320.],
           [  0., 500., 240.],
           [  0.,   0.,   1.]])
    """

    focal: float
    width: int
    height: int

    def __post_init__(self) -> None:
        if not (np.isfinite(self.focal) and self.focal > 0):
            raise ValueError(f"focal must be positive and finite, got {self.focal}")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"width and height must be at least 1, got {self.width}x{self.height}")

    @property
    def matrix(self) -> Floats:
        """``K``, with the middle of the top left pixel at (0, 0) as OpenCV has it."""
        return np.array(
            [
                [self.focal, 0, (self.width - 1) / 2],
                [0, self.focal, (self.height - 1) / 2],
                [0, 0, 1],
            ],
            np.float64,
        )

    def times(self, factor: int) -> Lens:
        """The same view with each pixel cut into ``factor`` by ``factor``."""
        return Lens(self.focal * factor, self.width * factor, self.height * factor)


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """Where a camera stands: a point ``X`` of the world is at ``rotation @ X + translation``.

    Camera axes are OpenCV's: x to the right, y down, z forward.

    Args:
        rotation: ``float64[3, 3]``, orthonormal with determinant 1.
        translation: ``float64[3]``, metres.

    Raises:
        ValueError: the shapes are others, or ``rotation`` is none.
    """

    rotation: Floats
    translation: Floats

    def __post_init__(self) -> None:
        shapes = self.rotation.shape, self.translation.shape
        if shapes != ((3, 3), (3,)):
            raise ValueError(f"rotation must be 3x3 and translation of 3, got shapes {shapes}")
        defect = np.abs(self.rotation @ self.rotation.T - np.eye(3)).max()
        if not (defect < 1e-6 and np.linalg.det(self.rotation) > 0):
            raise ValueError(
                f"rotation must be orthonormal with determinant 1, got {self.rotation}"
            )

    @property
    def centre(self) -> Floats:
        """The pinhole in the world, metres."""
        return -self.rotation.T @ self.translation

    def project(self, points: Floats, lens: Lens) -> tuple[Floats, Floats]:
        """Where points of the world appear.

        Args:
            points: ``float64[n, 3]``, metres.
            lens: of the camera.

        Returns:
            Pixels ``float64[n, 2]``, x then y, and depths ``float64[n]`` in metres; a point whose
            depth is not above 0 lies behind the camera and its pixel means nothing.

        >>> ahead = Pose(np.eye(3), np.zeros(3))
        >>> ahead.project(np.array([[0.0, 0.0, 2.0], [1.0, 0.0, 2.0]]), Lens(100.0, 201, 101))
        (array([[100.,  50.],
           [150.,  50.]]), array([2., 2.]))
        """
        seen = (points @ self.rotation.T + self.translation) @ lens.matrix.T
        with np.errstate(divide="ignore", invalid="ignore"):
            return seen[:, :2] / seen[:, 2:], seen[:, 2]

    def error(self, truth: Pose) -> tuple[float, float]:
        """Distance of the pinholes in metres, and the angle between the cameras in degrees.

        >>> turned = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        >>> Pose(turned, np.ones(3)).error(Pose(np.eye(3), np.zeros(3)))
        (1.7320508075688772, 90.0)
        """
        metres = float(np.linalg.norm(self.centre - truth.centre))
        turn = self.rotation @ truth.rotation.T
        # Half the angle by its sine: the cosine of a small angle has no digits left.
        chord = np.linalg.norm(turn - np.eye(3)) / np.sqrt(8)
        return metres, float(np.degrees(2 * np.arcsin(min(chord, 1.0))))


def look(centre: Floats, target: Floats, roll: float) -> Pose:
    """The camera at ``centre`` whose axis goes through ``target``; the world's z points up.

    Args:
        centre: ``float64[3]``, metres.
        target: ``float64[3]``, not above or below ``centre``.
        roll: turn of the camera about its axis, degrees.

    Raises:
        ValueError: the axis is vertical, or there is none.

    >>> look(np.zeros(3), np.array([5.0, 0.0, 0.0]), 0).rotation.round(3) + 0.0
    array([[ 0., -1.,  0.],
           [ 0.,  0., -1.],
           [ 1.,  0.,  0.]])
    """
    forward = target - centre
    right = np.cross(forward, (0.0, 0.0, 1.0))
    if np.linalg.norm(right) <= 1e-9 * (1 + np.linalg.norm(forward)):
        raise ValueError(f"target must not lie above or below the centre, got {target}, {centre}")
    forward, right = (v / np.linalg.norm(v) for v in (forward, right))
    down = np.cross(forward, right)
    c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    rotation = np.stack([c * right + s * down, -s * right + c * down, forward])
    return Pose(rotation, -rotation @ centre)
