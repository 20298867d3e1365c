"""The pose of a camera from points of the world and where they appear."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ... import require
from ._camera import Floats, Lens, Pose

_LEAST = 4
"""Points that fix a pose: three, and one that tells the solutions apart."""


class Estimate(NamedTuple):
    """A pose and the matches that agree with it."""

    pose: Pose
    inliers: npt.NDArray[np.int64]
    """Rows of the matches, rising."""


def estimate_pose(
    points: Floats,
    pixels: npt.NDArray[np.floating],
    lens: Lens,
    *,
    tolerance: float = 3.0,
    iterations: int = 2000,
    least: int = 12,
) -> Estimate | None:
    """RANSAC over minimal poses, then least squares over the matches that agree.

    Source: Fischler and Bolles, "Random Sample Consensus", CACM 1981; OpenCV's ``solvePnPRansac``
    and ``solvePnPRefineLM`` do the work. Differences: after each refinement the inliers are sought
    anew among all matches, three times in all. OpenCV draws from a fixed seed: the same matches
    give the same pose.

    Args:
        points: ``float64[n, 3]``, metres.
        pixels: where each appears, ``[n, 2]``, x then y.
        lens: of the camera.
        tolerance: pixels between an inlier and where its point projects.
        iterations: most minimal poses tried.
        least: inliers below which there is no answer.

    Returns:
        None where fewer than ``least`` matches agree on a pose.

    Raises:
        ValueError: the arrays do not belong together or hold NaN or infinity, or a number is out
            of range.
        ModuleNotFoundError: OpenCV is not installed.
    """
    cv2 = require("cv2", extra="localisation", needed_for="estimating poses")
    points, pixels = np.asarray(points, np.float64), np.asarray(pixels, np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or pixels.shape != (len(points), 2):
        raise ValueError(
            "points and pixels must have shapes (n, 3) and (n, 2), "
            f"got {points.shape} and {pixels.shape}"
        )
    if not (np.isfinite(points).all() and np.isfinite(pixels).all()):
        raise ValueError("points and pixels must not hold NaN or infinity")
    if not tolerance > 0 or iterations < 1 or least < _LEAST:
        raise ValueError(
            f"tolerance must be above 0, iterations at least 1 and least at least {_LEAST}, "
            f"got {tolerance}, {iterations} and {least}"
        )
    if len(points) < least:
        return None
    # Far from the origin the solvers lose digits: work about the middle of the points.
    middle = points.mean(0)
    near, matrix = points - middle, lens.matrix
    found, turn, shift, chosen = cv2.solvePnPRansac(
        near,
        pixels,
        matrix,
        None,
        iterationsCount=iterations,
        reprojectionError=tolerance,
        confidence=0.9999,
        flags=cv2.SOLVEPNP_P3P,
    )
    if not found or chosen is None:
        return None
    inliers = np.sort(chosen.ravel().astype(np.int64))
    pose = _pose_of(turn, shift)
    for _ in range(3):
        if len(inliers) < least:
            return None
        turn, shift = cv2.solvePnPRefineLM(
            near[inliers], pixels[inliers], matrix, None, turn, shift
        )
        pose = _pose_of(turn, shift)
        seen, depths = pose.project(near, lens)
        off = np.linalg.norm(seen - pixels, axis=1)
        inliers = np.flatnonzero((off <= tolerance) & (depths > 0))
    if len(inliers) < least:
        return None
    return Estimate(Pose(pose.rotation, pose.translation - pose.rotation @ middle), inliers)


def _pose_of(turn: Floats, shift: Floats) -> Pose:
    """From OpenCV's turn about an axis, which Rodrigues' formula makes a matrix."""
    cv2 = require("cv2", extra="localisation", needed_for="estimating poses")
    return Pose(cv2.Rodrigues(turn)[0], shift.ravel())
