"""Worlds, views, and the answers of every searcher to each view."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...search import Fanng, Flat
from ._camera import Floats, Lens
from ._features import Features
from ._map import Answer, Searcher, locate, map_points
from ._scene import build_rooms
from ._score import Row
from ._searchers import KdTrees, OnOneThread
from ._views import KINDS, View, take

LENS = Lens(500.0, 640, 480)
"""Of every view: 65 degrees wide."""

MAP_KEYPOINTS, VIEW_KEYPOINTS = 1000, 500
"""Most of a photograph of the map, and of a view."""

GRAPH, EXACT = "Fanng", "Flat"
CHECKS = (32, 512)
"""Leaves that FLANN looks at: OpenCV's default, and enough to rival the graph."""


@dataclass(frozen=True, slots=True)
class Searchers:
    """All ways to look up a row.

    Args:
        by_name: the graph first, the exact one among them.
        build_seconds: of processor time, for those that are built.
    """

    by_name: dict[str, Searcher]
    build_seconds: dict[str, float]


def build_searchers(rows: npt.NDArray[np.uint8], say: Callable[[str], None]) -> Searchers:
    """Graph, exact index and k-d trees over descriptors ``uint8[n, 128]``, on one thread."""
    start = time.process_time()
    graph = Fanng(128, dtype="uint8")
    graph.add(rows)
    say(f"building the graph of {len(rows):,} descriptors")
    graph.build(threads=1)
    built = time.process_time()
    exact = Flat(128, dtype="uint8")
    exact.add(rows)
    say("building the k-d trees")
    planted = time.process_time()
    trees = KdTrees(rows, CHECKS[0])
    seconds = {GRAPH: built - start, "FLANN": time.process_time() - planted}
    by_name: dict[str, Searcher] = {GRAPH: OnOneThread(graph), EXACT: OnOneThread(exact)}
    by_name |= {f"FLANN, {checks} checks": trees.with_checks(checks) for checks in CHECKS}
    return Searchers(by_name, seconds)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A view, the points of its world, and what each searcher led to."""

    view: View
    answers: dict[str, Answer]
    rows: list[Row]


def ask_world(
    seed: int,
    known: Sequence[npt.NDArray[np.uint8]],
    strangers: Sequence[npt.NDArray[np.uint8]],
    features: Sequence[Features],
    searchers: Searchers,
    views: int,
) -> Iterator[Asked]:
    """Hang the photographs anew and take views of every kind in turn.

    Args:
        seed: of the rooms, the cameras and the noise.
        known: photographs of the map.
        strangers: photographs that it lacks.
        features: of each known photograph; their descriptors in turn are the searchers' rows.
        searchers: that are asked.
        views: of each kind.
    """
    rng = np.random.default_rng(seed)
    rooms, unknown = build_rooms(known, rng), build_rooms(strangers, rng)
    points = map_points([plane for room in rooms for plane in room.planes], features)
    for number in range(len(KINDS) * views):
        kind = KINDS[number % len(KINDS)]
        view = take(
            kind,
            unknown if kind == "strange" else rooms,
            strangers,
            LENS,
            VIEW_KEYPOINTS,
            np.random.default_rng([seed, number]),
        )
        yield _ask(seed, points, view, searchers)


def _ask(seed: int, points: Floats, view: View, searchers: Searchers) -> Asked:
    answers = {
        name: locate(points, searcher, view.features, LENS)
        for name, searcher in searchers.by_name.items()
    }
    least = answers[EXACT].neighbours.distances[:, 0]
    rows = []
    for name, answer in answers.items():
        metres, degrees = answer.estimate.pose.error(view.pose) if answer.estimate else (None, None)
        rows.append(
            Row(
                searcher=name,
                seed=seed,
                kind=view.kind,
                keypoints=len(view.features.pixels),
                matches=len(answer.matches.points),
                inliers=len(answer.estimate.inliers) if answer.estimate else 0,
                metres=metres,
                degrees=degrees,
                nearest_found=float((answer.neighbours.distances[:, 0] <= least).mean()),
                detect_seconds=view.detect_seconds,
                search_seconds=answer.search_seconds,
                solve_seconds=answer.solve_seconds,
            )
        )
    return Asked(view, answers, rows)
