"""A map: descriptors of known points, and the camera found by them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ...interfaces import Neighbours
from ._camera import Floats, Lens
from ._features import Features
from ._pose import Estimate, estimate_pose
from ._scene import Plane

RATIO = 0.8
"""Lowe's: of the distances to the nearest and the second nearest descriptor."""


class Searcher(Protocol):
    """Finds rows of the map: ``Fanng``, ``Flat``, or another library behind this face."""

    def search(self, queries: npt.NDArray[np.uint8], k: int, /) -> Neighbours:
        """The ``k`` nearest rows by squared Euclidean distance, their ids the rows."""
        ...


class Matches(NamedTuple):
    """Points of the map and where the view shows them."""

    points: Floats
    """``float64[n, 3]``, metres."""
    pixels: npt.NDArray[np.float32]
    """``float32[n, 2]``."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a map says of a view.

    Args:
        estimate: None where too few matches agree.
        neighbours: the two nearest rows of each keypoint.
        matches: all that the estimate chose from.
        search_seconds: of processor time, for the neighbours.
        solve_seconds: of processor time, for RANSAC and refinement.
    """

    estimate: Estimate | None
    neighbours: Neighbours
    matches: Matches
    search_seconds: float
    solve_seconds: float


def map_points(planes: Sequence[Plane], features: Sequence[Features]) -> Floats:
    """Where the keypoints of photographs are in the world.

    Args:
        planes: one for each photograph, in any order.
        features: of each photograph, in order of its number.

    Returns:
        ``float64[n, 3]``, photograph by photograph.

    Raises:
        ValueError: a photograph hangs nowhere or twice.
    """
    hung = sorted(planes, key=lambda plane: plane.picture)
    if [plane.picture for plane in hung] != list(range(len(features))):
        raise ValueError(
            f"planes must show each of {len(features)} photographs once, "
            f"got {[plane.picture for plane in hung]}"
        )
    return np.concatenate(
        [plane.points(found.pixels) for plane, found in zip(hung, features, strict=True)]
    )


def match(points: Floats, features: Features, neighbours: Neighbours) -> Matches:
    """Pair keypoints with points whose descriptor is clearly the nearest.

    Kept are pairs that pass the ratio test (Lowe, IJCV 2004, sec. 7.1); where several keypoints
    choose one point, the nearest of them.

    Args:
        points: ``float64[n, 3]``, by id.
        features: of the view.
        neighbours: the two nearest of each descriptor, squared distances.

    Raises:
        ValueError: the neighbours are not two for each keypoint, or an id is no row of ``points``.
    """
    if neighbours.ids.shape != (len(features.pixels), 2):
        raise ValueError(
            f"neighbours must be 2 for each of {len(features.pixels)} keypoints, "
            f"got shape {neighbours.ids.shape}"
        )
    if neighbours.ids.size and not -1 <= neighbours.ids.min() <= neighbours.ids.max() < len(points):
        raise ValueError(
            f"ids must be rows of {len(points)} points, "
            f"got {neighbours.ids.min()} to {neighbours.ids.max()}"
        )
    nearest, second = neighbours.distances.T.astype(np.float64)
    rows = np.flatnonzero((neighbours.ids[:, 0] >= 0) & (nearest < RATIO**2 * second))
    rows = rows[np.argsort(nearest[rows], kind="stable")]
    _, first = np.unique(neighbours.ids[rows, 0], return_index=True)
    rows = rows[np.sort(first)]
    return Matches(points[neighbours.ids[rows, 0]], features.pixels[rows])


def locate(points: Floats, searcher: Searcher, features: Features, lens: Lens) -> Answer:
    """Find the camera of a view.

    Args:
        points: ``float64[n, 3]``, the point of each row of the searcher, metres.
        searcher: of the rows of the map.
        features: of the view.
        lens: of its camera.

    Raises:
        ValueError: the searcher gives rows that ``points`` lacks.
        ModuleNotFoundError: OpenCV is not installed.
    """
    start = time.process_time()
    neighbours = searcher.search(features.descriptors, 2)
    searched = time.process_time()
    matches = match(points, features, neighbours)
    estimate = estimate_pose(matches.points, matches.pixels, lens)
    solved = time.process_time()
    return Answer(estimate, neighbours, matches, searched - start, solved - searched)
