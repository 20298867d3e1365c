"""The picture of ``fanng_paper.py``: distances against rows, and the ladder of tau."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

_COLOURS = {"0.90": "#2ca02c", "0.95": "#1f77b4", "0.99": "#c1121f"}


def draw(record: dict[str, Any], path: Path) -> None:
    """Ours solid, the paper's dashed."""
    columns = 2 if "table 1" in record else 1
    figure, axes = plt.subplots(1, columns, figsize=(6.5 * columns, 5), squeeze=False)
    _sizes(axes[0][0], record)
    if columns == 2:
        _ladder(axes[0][1], record["table 1"])
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _sizes(axis: Axes, record: dict[str, Any]) -> None:
    counts = [int(size) for size in record["sizes"]]
    for name, colour in _COLOURS.items():
        ours = [size["test"][name]["distances"] for size in record["sizes"].values()]
        label = f"recall {name}, ours"
        if "exponents" in record:
            label += f" ($N^{{{record['exponents'][name]['all']:.2f}}}$)"
        axis.loglog(counts, ours, "o-", color=colour, label=label)
        published = record["paper"]["figure 9"][name]
        exponent = record["paper"]["figure 9, exponent of the rows"][name]
        axis.loglog(
            [int(size) for size in published],
            list(published.values()),
            "s--",
            color=colour,
            alpha=0.55,
            markerfacecolor="white",
            label=f"recall {name}, paper's Fig. 9 ($N^{{{exponent}}}$)",
        )
    axis.set_xlabel("rows N")
    axis.set_ylabel("distances per query, 1-NN")
    axis.set_title("Backtracking search\nours: SIFT computed from BSDS500", fontsize=10)
    axis.grid(which="both", alpha=0.2)
    axis.legend(fontsize=8)


def _ladder(axis: Axes, table: dict[str, Any]) -> None:
    series = [
        (f"ours, {table['rows']:,} rows", table["ours"], "o-", "#c1121f"),
        ("paper's Table 1, 100,000 rows", table["paper_100k"], "s--", "#555555"),
    ]
    for label, steps, style, colour in series:
        missed = [max(1 - step["recall"], 5e-5) for step in steps]
        distances = [step["distances"] for step in steps]
        axis.loglog(distances, missed, style, color=colour, label=label)
        for step, x, y in zip(steps, distances, missed, strict=True):
            note = f"{step['share']:g}, degree {step['degree']:g}"
            axis.annotate(note, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=7)
    axis.margins(x=0.18)
    axis.set_xlabel("distances per query")
    axis.set_ylabel("share of queries missed (lowest line: none)")
    axis.set_title(
        "Naive walk on ideal graphs, by share of the largest tau\n(that of each set of queries)",
        fontsize=10,
    )
    axis.grid(which="both", alpha=0.2)
    axis.legend(fontsize=8)
