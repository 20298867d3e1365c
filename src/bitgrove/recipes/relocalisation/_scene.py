"""A made-up world of real photographs: rooms with a photograph on each wall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._camera import Floats, Lens, Pose, look

WALLS = 4
"""Photographs of a room."""

PIXEL = 0.006
"""Metres of a pixel of a photograph on its wall, so that it is 2.9 m by 1.9 m."""

_DISTANCE = (2.0, 2.8)
"""Of a wall from the middle of its room, metres."""

_GRID = 12.0
"""Metres between the middles of rooms."""


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A grey photograph in space.

    Args:
        texture: ``uint8[h, w]``.
        corner: where the middle of its top left pixel is, ``float64[3]``, metres.
        right: from a pixel to the next of its row, ``float64[3]``, metres.
        down: from a pixel to the one below, ``float64[3]``, metres.
        picture: number of the photograph, -1 for a strange one.

    Raises:
        TypeError: the texture is no ``uint8[h, w]``.
        ValueError: the vectors have other shapes, or span no plane.
    """

    texture: npt.NDArray[np.uint8]
    corner: Floats
    right: Floats
    down: Floats
    picture: int = -1

    def __post_init__(self) -> None:
        if self.texture.dtype != np.uint8 or self.texture.ndim != 2:
            raise TypeError(
                "texture must be uint8[h, w], "
                f"got dtype={self.texture.dtype}, shape={self.texture.shape}"
            )
        shapes = {v.shape for v in (self.corner, self.right, self.down)}
        if shapes != {(3,)}:
            raise ValueError(f"corner, right and down must have shape (3,), got {sorted(shapes)}")
        if not np.linalg.norm(np.cross(self.right, self.down)) > 0:
            raise ValueError(f"right and down span no plane: {self.right}, {self.down}")

    def points(self, pixels: npt.NDArray[np.floating]) -> Floats:
        """The points of the world, ``float64[n, 3]``, at pixels ``[n, 2]``, x then y.

        >>> wall = Plane(np.zeros((2, 3), np.uint8), np.zeros(3), np.array([1.0, 0.0, 0.0]),
        ...              np.array([0.0, 0.0, -1.0]))
        >>> wall.points(np.array([[2.0, 1.0]]))
        array([[ 2.,  0., -1.]])
        """
        x, y = np.asarray(pixels, np.float64).T
        return self.corner + x[:, None] * self.right + y[:, None] * self.down

    def outline(self) -> Floats:
        """Its four corners in the world, in turn."""
        h, w = self.texture.shape
        return self.points(np.array([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]]))

    def homography(self, pose: Pose, lens: Lens) -> Floats:
        """The ``float64[3, 3]`` that takes ``(x, y, 1)`` of the texture to the view.

        The third coordinate that it gives is the depth in metres.
        """
        columns = np.stack([self.right, self.down, self.corner], 1)
        seen = pose.rotation @ columns
        seen[:, 2] += pose.translation
        return lens.matrix @ seen


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """Photographs around a place to stand.

    Args:
        planes: on its walls.
        middle: of the room, ``float64[3]``, metres.
    """

    planes: tuple[Plane, ...]
    middle: Floats


def build_rooms(textures: Sequence[npt.NDArray[np.uint8]], rng: np.random.Generator) -> list[Room]:
    """Hang the photographs, four to a room, in random order at random distances and slants.

    Args:
        textures: grey photographs ``uint8[h, w]``; what is left of a multiple of four stays out.
        rng: of the order and the places.

    Raises:
        ValueError: there are fewer than four.
    """
    if len(textures) < WALLS:
        raise ValueError(f"a room needs {WALLS} textures, got {len(textures)}")
    order = rng.permutation(len(textures))
    count = len(textures) // WALLS
    side = int(np.ceil(np.sqrt(count)))
    rooms = []
    for number in range(count):
        middle = np.array([number % side * _GRID, number // side * _GRID, 0.0])
        turn = rng.uniform(0, 2 * np.pi)
        hung = order[number * WALLS : (number + 1) * WALLS]
        planes = (
            _hang(textures[picture], int(picture), middle, turn + wall * np.pi / 2, rng)
            for wall, picture in enumerate(hung)
        )
        rooms.append(Room(tuple(planes), middle))
    return rooms


def _hang(
    texture: npt.NDArray[np.uint8],
    picture: int,
    middle: Floats,
    bearing: float,
    rng: np.random.Generator,
) -> Plane:
    """On the wall that lies towards ``bearing``, facing the middle but for a slant."""
    away = _direction(bearing)
    right = _direction(bearing - np.pi / 2 + np.radians(rng.uniform(-10, 10))) * PIXEL
    down = np.array([0.0, 0.0, -PIXEL])
    centre = middle + away * rng.uniform(*_DISTANCE) + rng.uniform(-0.2, 0.2, 3)
    h, w = texture.shape
    corner = centre - (w - 1) / 2 * right - (h - 1) / 2 * down
    return Plane(texture, corner, right, down, picture)


def _direction(bearing: float) -> Floats:
    return np.array([np.cos(bearing), np.sin(bearing), 0.0])


def stand(room: Room, rng: np.random.Generator) -> Pose:
    """A camera at a random place of the room that looks at a random point of one photograph."""
    centre = room.middle + rng.uniform(-1, 1, 3) * (1.2, 1.2, 0.4)
    wall = room.planes[rng.integers(len(room.planes))]
    h, w = wall.texture.shape
    target = wall.points(rng.uniform(0.2, 0.8, (1, 2)) * (w - 1, h - 1))[0]
    return look(centre, target, rng.uniform(-15, 15))


def card(texture: npt.NDArray[np.uint8], pose: Pose, rng: np.random.Generator) -> Plane:
    """A photograph held before the camera so that it hides about a tenth of the view."""
    distance = rng.uniform(0.7, 1.0)
    size = distance * rng.uniform(0.35, 0.55) / max(texture.shape)
    place = np.array([*rng.uniform(-0.45, 0.45, 2), 1.0]) * distance
    angle = rng.uniform(-0.5, 0.5)
    right, down = (
        pose.rotation.T @ np.array([np.cos(a), np.sin(a), rng.uniform(-0.4, 0.4)]) * size
        for a in (angle, angle + np.pi / 2)
    )
    h, w = texture.shape
    centre = pose.rotation.T @ (place - pose.translation)
    return Plane(texture, centre - (w - 1) / 2 * right - (h - 1) / 2 * down, right, down)
