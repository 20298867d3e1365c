"""Query views: where a camera stood, and the keypoints of what it saw."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ._camera import Lens, Pose
from ._features import Features, detect
from ._render import CLEAR, HARD, render
from ._scene import Room, card, stand

Kind = Literal["clear", "hard", "strange"]
"""``clear``: even light, little noise. ``hard``: dark, blurred, noisy, a tenth hidden. ``strange``:
a clear view of a room that the map does not know."""

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A view with its truth.

    Args:
        kind: how it was taken.
        pose: of the camera.
        room: that it stands in.
        image: grey, ``uint8[h, w]``.
        features: of the image.
        detect_seconds: of processor time, for the features.
    """

    kind: Kind
    pose: Pose
    room: Room
    image: npt.NDArray[np.uint8]
    features: Features
    detect_seconds: float


def take(
    kind: Kind,
    rooms: Sequence[Room],
    strangers: Sequence[npt.NDArray[np.uint8]],
    lens: Lens,
    most: int,
    rng: np.random.Generator,
) -> View:
    """A view from a random place.

    Args:
        kind: how it is taken.
        rooms: one of them is chosen.
        strangers: photographs that may hide a part of a hard view.
        lens: of the camera.
        most: keypoints.
        rng: of everything random.
    """
    room = rooms[int(rng.integers(len(rooms)))]
    pose = stand(room, rng)
    weather = HARD if kind == "hard" else CLEAR
    planes = list(room.planes)
    if weather.hidden:
        planes.append(card(strangers[int(rng.integers(len(strangers)))], pose, rng))
    image = weather.photograph(render(planes, pose, lens), rng)
    start = time.process_time()
    features = detect(image, most)
    return View(kind, pose, room, image, features, time.process_time() - start)
