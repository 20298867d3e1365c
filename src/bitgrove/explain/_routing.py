"""How images spread over the nodes of a tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .. import require
from ..nn._forest_routing import log_arrivals
from ._look import as_images, check_tree, find_forest, watched

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@torch.no_grad()
def arrival_probabilities(
    forest_model: nn.Module,
    images: Tensor | npt.NDArray[np.floating[Any]],
    *,
    tree: int = 0,
    forest: str | None = None,
    batch_size: int = 512,
) -> list[npt.NDArray[np.float32]]:
    """Mean probability of arriving at every node of a tree.

    Args:
        forest_model: as for :func:`decision_path`.
        images: ``(n, c, h, w)``, one or more, as the model takes them.
        tree: number of the tree, from 0.
        forest: path of the forest in the model, if there are several.
        batch_size: images at a time.

    Returns:
        Level by level from the root to the leaves: ``float32[1]`` to ``float32[2**depth]``, each
        with the sum 1.

    Raises:
        TypeError: ``forest_model`` is no torch module, or ``images`` no floating-point array.
        ValueError: there is no image, forest or tree, or the images hold NaN.

    >>> from bitgrove import nn as bnn
    >>> model = nn.Sequential(nn.Flatten(), bnn.NeuralDecisionForest(4, 2, trees=1, depth=2))
    >>> [len(level) for level in arrival_probabilities(model, torch.zeros(3, 1, 2, 2))]
    [1, 2, 4]
    """
    found = find_forest(forest_model, forest)
    check_tree(found, tree)
    x = as_images(images, forest_model)
    sums: list[Any] = [0.0] * (found.depth + 1)
    with watched(forest_model, found) as seen:
        for part in x.split(batch_size):
            forest_model(part)
            levels = log_arrivals(found.decisions(seen.pop()))
            sums = [
                total + level[:, tree].double().exp().sum(0)
                for total, level in zip(sums, levels, strict=True)
            ]
    return [(total / len(x)).float().cpu().numpy() for total in sums]


def draw_routing(levels: Sequence[npt.NDArray[np.floating[Any]]], *, title: str = "") -> Figure:
    """Draw a tree whose branches are as thick as the probability of passing along them.

    Args:
        levels: as :func:`arrival_probabilities` returns them.
        title: above the drawing.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        ValueError: the levels are not those of a complete tree.

    >>> figure = draw_routing([np.ones(1), np.array([0.9, 0.1])], title="Mostly left")
    >>> len(figure.axes)
    1
    """
    require("matplotlib", extra="train", needed_for="drawing a tree")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if [len(level) for level in levels] != [2**d for d in range(len(levels))] or not levels:
        raise ValueError("levels must have 1, 2, 4 ... numbers")
    depth = len(levels) - 1
    width = min(max(6.0, 0.16 * 2**depth), 24.0)
    figure = Figure(figsize=(width, 1.2 + 0.75 * (depth + 1)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for d in range(1, depth + 1):
        for k, share in enumerate(levels[d]):
            ends = [_across(d - 1, k // 2), _across(d, k)], [depth - d + 1, depth - d]
            axes.plot(*ends, color=_grey(share), linewidth=0.5 + 9 * share, solid_capstyle="round")
    for d, level in enumerate(levels):
        across = [_across(d, k) for k in range(len(level))]
        axes.scatter(across, [depth - d] * len(level), s=18, c=[_grey(p) for p in level], zorder=3)
        for k, share in enumerate(level):
            if share >= 0.005 and len(level) * 0.42 <= width:
                axes.annotate(
                    f"{share:.0%}", (across[k], depth - d), (0, -13), textcoords="offset points",
                    ha="center", va="center", fontsize=9, zorder=4,
                    bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none"},
                )  # fmt: skip
    axes.set_axis_off()
    axes.set_ylim(-0.45, depth + 0.3)
    if title:
        axes.set_title(title, fontsize=13)
    return figure


def _across(level: int, place: int) -> float:
    return (place + 0.5) / 2**level


def _grey(share: float) -> tuple[float, float, float]:
    """From light for paths that nobody takes to dark blue; darker is more, in print too."""
    near = float(np.clip(share, 0, 1)) ** 0.5
    light, dark = np.array([0.85, 0.85, 0.85]), np.array([0.05, 0.2, 0.45])
    red, green, blue = (1 - near) * light + near * dark
    return float(red), float(green), float(blue)
