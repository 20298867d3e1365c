"""From answers to the lines of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._views import Kind

METRES, DEGREES = 0.05, 5.0
"""A view is localised within both: the threshold of 7-Scenes (Shotton et al., CVPR 2013)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One view answered by one searcher; the errors are None where there is no answer."""

    searcher: str
    seed: int
    kind: Kind
    keypoints: int
    matches: int
    inliers: int
    metres: float | None
    degrees: float | None
    nearest_found: float
    """Share of keypoints whose nearest row was found: as near as the exact one."""
    detect_seconds: float
    search_seconds: float
    solve_seconds: float

    @property
    def answered(self) -> bool:
        """Whether there is a pose, right or wrong."""
        return self.metres is not None

    @property
    def localised(self) -> bool:
        """Whether the pose is within both thresholds."""
        return (
            self.metres is not None
            and self.degrees is not None
            and self.metres <= METRES
            and self.degrees <= DEGREES
        )


def summarise(rows: Sequence[Row]) -> dict[str, float | int | list[float]]:
    """Means over views and medians, of one searcher and kind.

    Raises:
        ValueError: there is no row.
    """
    if not rows:
        raise ValueError("rows must not be empty")
    seeds = sorted({row.seed for row in rows})
    answered = [row for row in rows if row.metres is not None]
    summary: dict[str, float | int | list[float]] = {
        "views": len(rows),
        "answered": len(answered) / len(rows),
        "localised": float(np.mean([row.localised for row in rows])),
        "localised_by_seed": [
            float(np.mean([row.localised for row in rows if row.seed == seed])) for seed in seeds
        ],
        "nearest_found": float(np.mean([row.nearest_found for row in rows])),
    }
    if answered:
        summary["median_metres"] = float(np.median([row.metres or 0.0 for row in answered]))
        summary["median_degrees"] = float(np.median([row.degrees or 0.0 for row in answered]))
    for name in ("keypoints", "matches", "inliers"):
        summary[f"median_{name}"] = float(np.median([getattr(row, name) for row in rows]))
    for name in ("detect", "search", "solve"):
        values = [getattr(row, f"{name}_seconds") for row in rows]
        summary[f"median_{name}_ms"] = float(np.median(values) * 1000)
    return summary
