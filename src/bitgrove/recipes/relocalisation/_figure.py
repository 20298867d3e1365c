"""A view beside the photographs of its room, with what was matched."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

from ... import require
from ._camera import Lens, Pose
from ._map import Answer
from ._scene import Plane
from ._views import View


def draw(view: View, answer: Answer, lens: Lens, title: str) -> bytes:
    """The figure as a PNG file.

    Left: the view; inliers green, other matches red; outlines of the photographs as they are
    (white) and as the estimated pose shows them (orange, dashed). Right: the two photographs with
    most inliers, from where lines lead to the view.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    require("matplotlib", extra="train", needed_for="the figure")
    from matplotlib.figure import Figure
    from matplotlib.patches import ConnectionPatch

    agreed = np.zeros(len(answer.matches.points), bool)
    if answer.estimate:
        agreed[answer.estimate.inliers] = True
    shown = _busiest(view.room.planes, answer.matches.points[agreed])
    figure = Figure(figsize=(11, 5.2), dpi=110, layout="constrained")
    axes = figure.subplot_mosaic([["view", "first"], ["view", "second"]], width_ratios=[2.1, 1])
    main = axes["view"]
    main.imshow(_bright(view.image), cmap="gray", vmin=0, vmax=255)
    for plane in view.room.planes:
        main.plot(*_outline(plane, view.pose, lens), color="white", lw=2.5)
        if answer.estimate:
            main.plot(*_outline(plane, answer.estimate.pose, lens), "--", color="orange", lw=1.2)
    pixels = answer.matches.pixels
    main.plot(*pixels[~agreed].T, "x", color="red", ms=6, label=f"{(~agreed).sum()} other matches")
    main.plot(*pixels[agreed].T, ".", color="lime", ms=6, label=f"{agreed.sum()} inliers")
    main.set(xlim=(0, lens.width), ylim=(lens.height, 0), title=title)
    main.legend(loc="lower right", fontsize=9)
    for axis, plane in zip((axes["first"], axes["second"]), shown, strict=False):
        axis.imshow(plane.texture, cmap="gray", vmin=0, vmax=255)
        own = agreed & _lies_on(plane, answer.matches.points)
        places = _texture_pixels(plane, answer.matches.points[own])
        axis.plot(*places.T, ".", color="lime", ms=4)
        axis.set_title(f"photograph {plane.picture} of the map: {own.sum()} inliers", fontsize=9)
        for start, end in list(zip(pixels[own], places, strict=True))[:: max(own.sum() // 15, 1)]:
            figure.add_artist(
                ConnectionPatch(
                    tuple(start), tuple(end), "data", axesA=main, axesB=axis, color="lime", lw=0.5
                )
            )
    for axis in axes.values():
        axis.set_axis_off()
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _bright(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Stretched, so that the outlines of a dark view can be followed."""
    top = max(float(np.percentile(image, 99.5)), 1.0)
    return np.clip(image * (255 / top), 0, 255).astype(np.uint8)


def _outline(plane: Plane, pose: Pose, lens: Lens) -> npt.NDArray[np.float64]:
    """Points along the border, those behind the camera left out."""
    corners = plane.outline()
    ends = np.roll(corners, -1, 0)
    steps = np.linspace(0, 1, 50)[:, None]
    border = np.concatenate([a + steps * (b - a) for a, b in zip(corners, ends, strict=True)])
    pixels, depths = pose.project(border, lens)
    pixels[depths <= 0.1] = np.nan
    return pixels.T


def _texture_pixels(plane: Plane, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    axes = np.stack([plane.right, plane.down], 1)
    return (np.linalg.pinv(axes) @ (points - plane.corner).T).T


def _lies_on(plane: Plane, points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    back = plane.points(_texture_pixels(plane, points))
    h, w = plane.texture.shape
    inside = _texture_pixels(plane, points)
    return (
        (np.abs(back - points).max(1) < 1e-6)
        & (inside >= -0.5).all(1)
        & (inside <= (w - 0.5, h - 0.5)).all(1)
    )


def _busiest(planes: tuple[Plane, ...], points: npt.NDArray[np.float64]) -> list[Plane]:
    return sorted(planes, key=lambda plane: -int(_lies_on(plane, points).sum()))[:2]


def seen_on_two(view: View, answer: Answer) -> int:
    """Inliers on the photograph that has the second most: how much there is to draw."""
    if answer.estimate is None:
        return 0
    points = answer.matches.points[answer.estimate.inliers]
    return int(_lies_on(_busiest(view.room.planes, points)[1], points).sum())
