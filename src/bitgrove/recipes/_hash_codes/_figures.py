"""What the cells come to: a Markdown table, and the file that other runs compare with."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...files import replacing
from .._outcomes import toml_line
from ._study import Study

Results = Mapping[str, Any]


class Cell(NamedTuple):
    """The seeds of one data set, method and code length."""

    dataset: str
    method: str
    title: str
    bits: int
    runs: list[Mapping[str, Any]]

    def values(self, key: str) -> list[float]:
        """One number for each seed."""
        return [run[key] for run in self.runs]


def cells(study: Study, results: Results) -> Iterator[Cell]:
    """Cells in the order of the table: data sets, then methods, then code lengths."""
    rows = results["outcomes"]
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        for method in study.methods:
            own = [r for r in rows if (r["dataset"], r["method"]) == (dataset, method.name)]
            for bits in sorted({row["bits"] for row in own}):
                runs = [row for row in own if row["bits"] == bits]
                yield Cell(dataset, method.name, method.title, bits, runs)


def spread(values: list[float], scale: float = 100) -> str:
    """The mean, and the standard deviation if there are several.

    >>> spread([0.5, 0.52]), spread([0.5])
    ('51.00 ± 1.41', '50.00')
    """
    mean = f"{scale * statistics.fmean(values):.2f}"
    return mean + (f" ± {scale * statistics.stdev(values):.2f}" if len(values) > 1 else "")


COLUMNS = (
    ("map", "mAP, %"),
    ("precision_at_radius_2", "precision at radius 2, %"),
    ("empty_balls", "empty balls, %"),
)


def table(study: Study, results: Results) -> str:
    """A Markdown table: means over seeds with standard deviations, processor time as a mean."""
    names = ["data", "method", "bits", *(title for _, title in COLUMNS), "fit, CPU s"]
    lines = ["| " + " | ".join(names) + " |", "| --- " * len(names) + "|"]
    for cell in cells(study, results):
        shown = [cell.dataset, cell.title, str(cell.bits)]
        shown += [spread(cell.values(key)) for key, _ in COLUMNS]
        shown.append(f"{statistics.fmean(cell.values('fit_cpu_seconds')):.1f}")
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines)


def write_expected(path: Path, study: Study, results: Results) -> None:
    """The figures with the protocol they were measured under, as TOML."""
    about = dict(results["protocol"])
    data = about.pop("data")
    lines = ["[protocol]", *(toml_line(key, value) for key, value in about.items())]
    for dataset, said in data.items():
        lines += ["", f"[protocol.data.{dataset}]", *(toml_line(k, v) for k, v in said.items())]
    for cell in cells(study, results):
        lines += ["", f"[{cell.dataset}.{cell.method}.bits-{cell.bits}]"]
        lines.append(toml_line("seeds", cell.values("seed")))
        for key in ("map", "map_rectangle", "precision_at_radius_2", "empty_balls"):
            values = cell.values(key)
            lines.append(toml_line(key, [round(value, 5) for value in values]))
            if key == "map" and len(values) > 1:
                lines.append(toml_line("map_mean", round(statistics.fmean(values), 5)))
                lines.append(toml_line("map_std", round(statistics.stdev(values), 5)))
        lines.append(toml_line("fit_cpu_seconds", cell.values("fit_cpu_seconds")))
        if "round_kept" in cell.runs[0]:
            lines.append(toml_line("round_kept", cell.values("round_kept")))
            lines.append(toml_line("ended", cell.values("ended")))
            lines.append(toml_line("evaluations", [sum(run["evaluations"]) for run in cell.runs]))
            objective = [round(run["objective"][-1], 6) for run in cell.runs]
            lines.append(toml_line("objective", objective))
    with replacing(path) as file:
        file.write(("\n".join(lines) + "\n").encode())
