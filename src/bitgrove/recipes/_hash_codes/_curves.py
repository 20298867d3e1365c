"""Scores over code lengths, drawn: a column for each data set, mAP above precision."""

from __future__ import annotations

import io
import statistics
from typing import Any

from ... import require
from ._figures import Results, cells
from ._study import Study

_ROWS = (("map", "mAP, %"), ("precision_at_radius_2", "precision at radius 2, %"))

_MARKS = "osv^DPX*"


def draw(study: Study, results: Results) -> bytes:
    """The figure as a PNG file; whiskers are standard deviations over seeds.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    require("matplotlib", extra="train", needed_for="the curves")
    from matplotlib.figure import Figure

    every = list(cells(study, results))
    datasets = list(dict.fromkeys(cell.dataset for cell in every))
    lengths = sorted({cell.bits for cell in every})
    figure = Figure(figsize=(1.4 + 4.4 * len(datasets), 7), dpi=110, layout="constrained")
    axes: Any = figure.subplots(len(_ROWS), len(datasets), squeeze=False)
    for column, dataset in enumerate(datasets):
        for (key, label), axis in zip(_ROWS, axes[:, column], strict=True):
            for mark, method in zip(_MARKS, study.methods, strict=False):
                own = [c for c in every if (c.dataset, c.method) == (dataset, method.name)]
                values = [[100 * v for v in cell.values(key)] for cell in own]
                axis.errorbar(
                    [cell.bits for cell in own],
                    [statistics.fmean(v) for v in values],
                    [statistics.stdev(v) if len(v) > 1 else 0 for v in values],
                    marker=mark, markersize=5, capsize=3, linewidth=1.4, label=method.title,
                )  # fmt: skip
            axis.set_xticks(lengths)
            axis.set_ylim(bottom=0)
            axis.set_ylabel(label)
            axis.grid(alpha=0.3)
        axes[0, column].set_title(dataset)
        axes[-1, column].set_xlabel("bits")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=8)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
