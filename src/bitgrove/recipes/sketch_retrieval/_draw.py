"""A picture of some queries with the photographs that were found."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ... import require
from ._arms import Arm
from ._parts import Part


def draw_answers(
    part: Part, asked: Tensor, arm: Arm, outcomes: Sequence[Mapping[str, Any]]
) -> bytes:
    """A row for each query: the drawing as it was asked, then the first answers; as a PNG file.

    The right photograph has a green frame. The answers are those of the arm's first seed.
    """
    require("matplotlib", extra="train", needed_for="the picture")
    from matplotlib.figure import Figure

    shown = next(o for o in outcomes if o["arm"] == arm.name)["shown"]
    columns = 1 + len(shown[0]["nearest"])
    figure = Figure(figsize=(1.5 * columns, 1.55 * len(shown) + 0.4), dpi=110, layout="constrained")
    axes = figure.subplots(len(shown), columns, squeeze=False)
    for row, query in zip(axes, shown, strict=True):
        row[0].imshow(asked[query["drawing"], 0].numpy(), cmap="gray_r", vmin=0, vmax=1)
        for axis, answer in zip(row[1:], query["nearest"], strict=False):
            axis.imshow(part.thumbnails[answer])
            if answer == part.photograph[query["drawing"]]:
                for side in axis.spines.values():
                    side.set(color="limegreen", linewidth=4)
        for axis in row:
            axis.set(xticks=[], yticks=[])
    axes[0, 0].set_title("asked", fontsize=9)
    for place, axis in enumerate(axes[0, 1:]):
        axis.set_title(str(place + 1), fontsize=9)
    figure.suptitle(arm.title, fontsize=10)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
