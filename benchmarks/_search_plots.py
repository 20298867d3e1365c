"""Curves of recall against queries per second, as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from _search_curves import Point, front
from _search_variants import OURS

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

_COLOURS = {
    OURS: "#c1121f",
    "hnswlib": "#1f77b4",
    "faiss HNSW32": "#2ca02c",
    "faiss quantised graph": "#98df8a",
    "faiss IVF fast scan": "#556b2f",
    "faiss IndexBinaryHNSW": "#2ca02c",
    "usearch": "#9467bd",
    "scann": "#8c564b",
    "scalable-vs": "#ff7f0e",
    "pyvsag": "#17becf",
    "ngt": "#7f7f7f",
}
_TICKS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)


def draw(part: dict[str, Any], title: str, path: Path) -> None:
    """One picture: a row for each number of threads, recall@1 and recall@10 side by side."""
    rows = list(part["threads"])
    figure, axes = plt.subplots(
        len(rows), 2, figsize=(12, 4.6 * len(rows)), squeeze=False, layout="constrained"
    )
    for row, threads in enumerate(rows):
        for column, k in enumerate((1, 10)):
            axis = axes[row][column]
            _curves(axis, part["threads"][threads]["curves"], part["libraries"], k)
            count = "one thread" if threads == "1" else f"{threads} threads"
            axis.set_title(f"recall@{k}, {count}", fontsize=10)
    axes[0][0].legend(fontsize=8, loc="lower left")
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _curves(
    axis: Axes, curves: dict[str, list[dict[str, Any]]], libraries: dict[str, str], k: int
) -> None:
    points: dict[str, list[Point]] = {}
    for variant, own in curves.items():
        points.setdefault(libraries[variant], []).extend(
            Point(p[f"recall_at_{k}"], p["qps"], {}) for p in own
        )
    for library, own in points.items():
        line = [p for p in front(own) if p.recall >= _TICKS[0] - 0.02]
        axis.plot(
            [_stretched(p.recall) for p in line],
            [p.qps for p in line],
            marker="o",
            markersize=3.5 if library != OURS else 5,
            linewidth=1.4 if library != OURS else 2.4,
            color=_COLOURS.get(library),
            label=library,
            zorder=3 if library == OURS else 2,
        )
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_xticks([_stretched(t) for t in _TICKS], [f"{t:g}" for t in _TICKS])
    axis.set_xlim(_stretched(_TICKS[0]), _stretched(0.9995))
    axis.set_xlabel(f"recall@{k}")
    axis.set_ylabel("queries per second")
    axis.grid(True, which="both", alpha=0.25)


def _stretched(recall: float) -> float:
    """Places on the axis: evenly in the logarithm of what is missed."""
    return 1 - (1.0002 - min(recall, 1.0)) ** 0.3
