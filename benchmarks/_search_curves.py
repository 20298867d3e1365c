"""Points of recall and speed: fronts, values at a recall, and the choice among builds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from _search_variants import Setting

TARGETS = (0.95, 0.99)
"""Recalls at which libraries are compared."""


@dataclass(frozen=True, slots=True)
class Point:
    """What one setting reaches."""

    recall: float
    qps: float
    setting: Setting


def front(points: Iterable[Point]) -> list[Point]:
    """Those that no other beats in both recall and speed, in order of recall.

    >>> [p.recall for p in front([Point(0.9, 10, {}), Point(0.8, 9, {}), Point(0.95, 5, {})])]
    [0.9, 0.95]
    """
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.recall, -p.qps)):
        if not found or point.qps > found[-1].qps:
            found.append(point)
    return found[::-1]


def qps_at(points: Iterable[Point], recall: float) -> float | None:
    """Queries per second at a recall: the logarithm is linear between two points of the front.

    None where no point reaches the recall. Where all points exceed it, the fastest one counts.

    >>> round(qps_at([Point(0.9, 100, {}), Point(1.0, 1, {})], 0.95))
    10
    """
    own = front(points)
    for low, high in itertools.pairwise(own):
        if low.recall <= recall <= high.recall:
            share = (recall - low.recall) / (high.recall - low.recall)
            return math.exp((1 - share) * math.log(low.qps) + share * math.log(high.qps))
    if own and own[0].recall >= recall:
        return own[0].qps
    return None


def thinned(
    points: Sequence[Point], most: int = 8, least: float = 0.85, top: float = 0.9985
) -> list[Point]:
    """The front from one point below ``least`` to one above ``top``, of at most ``most`` points.

    Points are kept about evenly in the logarithm of what is missed.
    """
    own = front(points)
    if not own:
        return []
    first = max((i for i, p in enumerate(own) if p.recall < least), default=0)
    last = min((i for i, p in enumerate(own) if p.recall > top), default=len(own) - 1)
    kept = own[first : last + 1]
    while len(kept) > most:
        places = [-math.log(1.0005 - p.recall) for p in kept]
        gaps = [after - before for before, after in zip(places, places[2:], strict=False)]
        del kept[1 + gaps.index(min(gaps))]
    return kept


def worth_measuring(tuned: dict[str, list[Point]], slack: float = 0.85) -> list[str]:
    """Of several variants of a library, those near its best at one of the targets.

    Args:
        tuned: points of each variant.
        slack: share of the best variant's speed that is near enough.
    """
    kept = set()
    for target in TARGETS:
        speeds = {name: qps_at(points, target) or 0.0 for name, points in tuned.items()}
        best = max(speeds.values())
        kept |= {name for name, speed in speeds.items() if speed and speed >= slack * best}
    if not kept and tuned:  # nobody reaches a target; show the one that comes nearest
        kept = {max(tuned, key=lambda name: max((p.recall for p in tuned[name]), default=0.0))}
    return [name for name in tuned if name in kept]
