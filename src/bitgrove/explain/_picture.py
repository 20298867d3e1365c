"""A decision path as a picture for people."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import require
from ._path import DecisionPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GLOW = np.array([1.0, 0.83, 0.15])
"""What a pixel of the largest influence looks like: brighter than any of the dimmed picture, so
that the maps can be read in grey too."""
_MOST_BARS = 10


def draw_path(
    path: DecisionPath,
    picture: npt.NDArray[np.uint8],
    *,
    labels: Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """Draw the picture, then node by node what decided there and which way it went, and the answer.

    Args:
        path: of :func:`decision_path`.
        picture: the pixels as a person sees them, ``uint8[h, w, 1 or 3]``, of the maps' size.
        labels: names of the outputs.
        title: above everything; the answer if it is left out.

    Returns:
        A matplotlib figure; ``.savefig("path.png")`` writes it.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        TypeError: the picture is not ``uint8``.
        ValueError: the picture or the labels do not fit the path.

    >>> import torch
    >>> from bitgrove import explain, nn
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), nn.NeuralDecisionForest(4, 2, depth=2))
    >>> path = explain.decision_path(model, np.zeros((1, 2, 2), np.float32))
    >>> figure = draw_path(path, np.zeros((2, 2, 1), np.uint8), labels=["cat", "dog"])
    >>> len(figure.axes)        # the picture, two nodes, one place empty, the answer
    4
    """
    require("matplotlib", extra="train", needed_for="drawing a decision path")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if picture.dtype != np.uint8:
        raise TypeError(f"picture must be uint8, got {picture.dtype}")
    h, w = path.maps.shape[1:]
    if picture.shape not in ((h, w, 1), (h, w, 3)):
        raise ValueError(f"picture must have shape ({h}, {w}, 1 or 3), got {picture.shape}")
    names = [str(i) for i in range(len(path.answer))] if labels is None else [*labels]
    if len(names) != len(path.answer):
        raise ValueError(f"{len(names)} labels for {len(path.answer)} outputs")
    panels = len(path.steps) + 1
    columns = panels if panels < 5 else min(4, ceil(panels / 2))
    rows = ceil(panels / columns)
    names_width = 0.3 + 0.1 * max(len(_short(name)) for name in names)
    widths = [2.7] * columns + [names_width, 2.9]
    figure = Figure(figsize=(1.1 * sum(widths), max(3.15 * rows, 4.2) + 1.0))
    FigureCanvasAgg(figure)
    tall = figure.get_figheight()
    grid = figure.add_gridspec(
        rows, columns + 2, width_ratios=widths, left=0.02, right=0.975,
        top=1 - 0.95 / tall, bottom=0.75 / tall, wspace=0.12, hspace=0.36,
    )  # fmt: skip
    places = [figure.add_subplot(grid[i // columns, i % columns]) for i in range(rows * columns)]
    _show(places[0], picture / 255, "The picture", "the path begins at node 0")
    for axes, step, influence in zip(places[1:], path.steps, path.maps, strict=False):
        way = "right →" if step.right else "← left"
        _show(
            axes, _glowing(picture, influence),
            f"Node {step.node}, reached {_percent(step.arrival)}",
            f"goes {way}, {_percent(step.probability)} sure",
        )  # fmt: skip
    for axes in places[len(path.steps) + 1 :]:
        axes.set_axis_off()
    if path.task == "classification":
        _bars(figure.add_subplot(grid[:, columns + 1]), path, names)
    else:
        _values(figure.add_subplot(grid[:, columns:]), path, names)
    figure.text(
        0.02, 1 - 0.32 / tall, title or _headline(path, names), fontsize=16, weight="bold",
        va="center",
    )  # fmt: skip
    figure.text(
        0.02, 0.2 / tall,
        "Bright pixels are those that this node's decision depends on most; the picture is dimmed "
        "behind them.",
        fontsize=11, va="center",
    )  # fmt: skip
    return figure


def _headline(path: DecisionPath, names: Sequence[str]) -> str:
    where = f"Tree {path.tree + 1} of {path.trees}"
    if path.task == "regression":
        return f"{where}: the most likely way, to leaf {path.leaf} ({_percent(path.arrival)})"
    best = int(path.answer.argmax())
    return (
        f"The forest answers {names[best]} ({_percent(path.answer[best])}). "
        f"The way through tree {path.tree + 1} of {path.trees}:"
    )


def _show(axes: Any, pixels: npt.NDArray[Any], above: str, below: str) -> None:
    grey = pixels.ndim == 2 or pixels.shape[2] == 1
    if grey:
        axes.imshow(pixels.reshape(pixels.shape[:2]), cmap="gray", vmin=0, vmax=1)
    else:
        axes.imshow(pixels)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(above, fontsize=12)
    axes.set_xlabel(below, fontsize=12)


def _glowing(picture: npt.NDArray[np.uint8], influence: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The dimmed picture with light where the influence is."""
    grey = (picture / 255).mean(2, keepdims=True).repeat(3, 2)
    share = influence[..., None]
    return np.clip((1 - share) * 0.45 * grey + share * _GLOW, 0, 1)


def _bars(axes: Any, path: DecisionPath, names: Sequence[str]) -> None:
    """The likeliest classes, of the whole forest and of the leaf."""
    order = np.argsort(-(path.answer + 1e-3 * path.held), kind="stable")[:_MOST_BARS]
    if len(path.answer) <= _MOST_BARS:
        order = np.arange(len(path.answer))
    at = np.arange(len(order))
    forest = axes.barh(at - 0.2, path.answer[order], 0.38, color="#12365e")
    leaf = axes.barh(at + 0.2, path.held[order], 0.38, color="#f0a500", hatch="//", ec="white")
    for bars in (forest, leaf):
        shown = [_percent(b.get_width()) if b.get_width() >= 0.005 else "" for b in bars]
        axes.bar_label(bars, shown, padding=3, fontsize=10)
    axes.set_yticks(at, [_short(names[int(i)]) for i in order], fontsize=11)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.22)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.set_title(f"The answer\nleaf {path.leaf}, reached {_percent(path.arrival)}", fontsize=12)
    axes.legend(
        [forest, leaf], [f"all {path.trees} trees", "this leaf"], loc="upper center",
        bbox_to_anchor=(0.45, -0.01), ncols=2, frameon=False, fontsize=11,
    )  # fmt: skip


def _values(axes: Any, path: DecisionPath, names: Sequence[str]) -> None:
    """Numbers of the whole forest and of the leaf, the first few of many."""
    shown = min(len(names), _MOST_BARS)
    rows = [
        [_short(names[i]), f"{path.answer[i]:.4g}", f"{path.held[i]:.4g}"] for i in range(shown)
    ]
    if shown < len(names):
        rows.append(["...", "...", "..."])
    axes.set_axis_off()
    axes.set_title(f"The answer\nleaf {path.leaf}, reached {_percent(path.arrival)}", fontsize=12)
    table = axes.table(
        rows, colLabels=["output", f"all {path.trees} trees", "this leaf"], loc="upper center",
        cellLoc="center", edges="horizontal",
    )  # fmt: skip
    table.auto_set_font_size(False)
    table.set_fontsize(10)
    table.scale(1, 1.4)


def _percent(share: float) -> str:
    """In percent, without claiming certainty that is not there.

    >>> [_percent(p) for p in (1.0, 0.9996, 0.5, 0.004, 0.0)]
    ['100 %', '>99 %', '50 %', '<1 %', '0 %']
    """
    if 0 < share < 0.005:
        return "<1 %"
    if 0.995 <= share < 1:
        return ">99 %"
    return f"{share:.0%}".replace("%", " %")


def _short(name: str, longest: int = 14) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
