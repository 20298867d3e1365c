"""What the recipe draws and writes: curves, segmentations, the expected figures."""

from __future__ import annotations

import io
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ... import require
from ...data import SegmentationData
from ...files import replacing
from .._outcomes import toml_line
from ._heads import Arm

FIGURES = ("mean_iou", "mean_accuracy", "pixel_accuracy")
_COLOURS = np.array(
    [
        (128, 180, 230), (128, 0, 0), (192, 192, 128), (128, 64, 128), (230, 60, 200),
        (60, 130, 30), (220, 160, 90), (90, 60, 130), (70, 0, 220), (230, 200, 0),
        (0, 160, 170), (0, 0, 0),
    ],
    np.uint8,
)  # fmt: skip
"""Of the eleven classes and of void."""


def draw_curves(arms: Sequence[Arm], outcomes: Sequence[Mapping[str, Any]]) -> bytes:
    """Mean IoU on the validation images over processor seconds of training, as a PNG file."""
    require("matplotlib", extra="train", needed_for="the curves")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), dpi=110, layout="constrained")
    axis = figure.subplots()
    for number, arm in enumerate(arms):
        own = [o["curve"] for o in outcomes if o["arm"] == arm.name]
        for row, curve in enumerate(own):
            axis.plot(
                [point["cpu_seconds"] for point in curve],
                [100 * point["mean_iou"] for point in curve],
                "o-", ms=3, lw=1.2, color=f"C{number}", label=None if row else arm.title,
            )  # fmt: skip
    axis.set(xscale="log", xlabel="seconds of one core", ylabel="mean IoU, validation (%)")
    axis.grid(alpha=0.3, which="both")
    axis.legend()
    return _png(figure)


def draw_segmentations(
    data: SegmentationData, predicted: npt.NDArray[np.int64], title: str
) -> bytes:
    """A row for each image: as it is, its labels, what was predicted; as a PNG file."""
    require("matplotlib", extra="train", needed_for="the picture")
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=(9, 2.35 * len(data) + 0.6), dpi=110, layout="constrained")
    axes = figure.subplots(len(data), 3, squeeze=False)
    for row, (image, truth, answer) in enumerate(
        zip(data.images, data.labels, predicted, strict=True)
    ):
        shown = np.where(truth == data.void, len(data.classes), truth)
        for axis, picture in zip(
            axes[row], (image, _COLOURS[shown], _COLOURS[answer]), strict=True
        ):
            axis.imshow(picture)
            axis.set_axis_off()
    for axis, name in zip(axes[0], ("image", "labels (void black)", title), strict=True):
        axis.set_title(name, fontsize=10)
    patches = [
        Patch(color=colour / 255, label=name)
        for colour, name in zip(_COLOURS, data.classes, strict=False)
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=6, fontsize=8)
    return _png(figure)


def write_expected(
    path: Path,
    about: Mapping[str, Any],
    arms: Sequence[Arm],
    outcomes: Sequence[Mapping[str, Any]],
) -> None:
    """Write the test figures of every arm with their protocol, as TOML."""
    lines = ["[protocol]", *(toml_line(key, value) for key, value in about.items())]
    for arm in arms:
        own = [o for o in outcomes if o["arm"] == arm.name]
        lines += ["", f"[arms.{arm.name}]", toml_line("title", arm.title)]
        for name in FIGURES:
            values = [o["test"][name] for o in own]
            lines.append(toml_line(name, [round(value, 4) for value in values]))
            lines.append(toml_line(f"{name}_mean", round(statistics.fmean(values), 4)))
            if len(values) > 1:
                lines.append(toml_line(f"{name}_std", round(statistics.stdev(values), 4)))
        lines.append(
            toml_line("validation_mean_iou", [round(o["curve"][-1]["mean_iou"], 4) for o in own])
        )
        lines.append(toml_line("cpu_seconds", [round(o["cpu_seconds"], 1) for o in own]))
    with replacing(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def table(arms: Sequence[Arm], outcomes: Sequence[Mapping[str, Any]]) -> str:
    """Mean and standard deviation on the test images, in percent, a row for each arm."""
    lines = [f"{'':18}{'mean IoU':>14}{'class acc.':>14}{'pixel acc.':>14}{'seconds':>10}"]
    for arm in arms:
        own = [o for o in outcomes if o["arm"] == arm.name]
        cells = []
        for name in FIGURES:
            values = [100 * o["test"][name] for o in own]
            spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
            cells.append(f"{statistics.fmean(values):.1f}{spread}")
        seconds = statistics.fmean(o["cpu_seconds"] for o in own)
        lines.append(f"{arm.title:18}" + "".join(f"{c:>14}" for c in cells) + f"{seconds:10.1f}")
    return "\n".join(lines)


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
