"""What the runs of the recipe come to: a table, and the file that other runs compare with."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...files import replacing
from .._outcomes import toml_line

Outcomes = Sequence[Mapping[str, Any]]


def table(outcomes: Outcomes) -> str:
    """A Markdown table: means over seeds with standard deviations, speeds as medians."""
    forest = next(name for name in outcomes[0]["solvers"] if name.startswith("random-forest"))
    lines = [
        f"| data | solver | test accuracy | fit, CPU s | rows a CPU second | against {forest} "
        "| bytes | forest as accurate: trees, slower by |",
        "| --- " * 8 + "|",
    ]
    for dataset, name, rows in _groups(outcomes):
        equal = [row["forest_as_accurate"] for row in rows if "forest_as_accurate" in row]
        ratios = [row.get(f"times_as_fast_as_{forest}", 0) for row in rows]
        cells = [
            dataset,
            name,
            _spread([100 * row["test_accuracy"] for row in rows], " %"),
            f"{statistics.median(row['fit_cpu_seconds'] for row in rows):.1f}",
            f"{statistics.median(row['rows_per_second'] for row in rows):,.0f}",
            f"{statistics.median(ratios):.1f}x" if any(ratios) else "–",
            f"{statistics.median(row['bytes'] for row in rows):,.0f}",
            f"{statistics.median(row['trees'] for row in equal):.0f}, "
            f"{statistics.median(row['slower'] for row in equal):.1f}x"
            if equal
            else "–",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_expected(path: Path, about: Mapping[str, Any], outcomes: Outcomes) -> None:
    """Write the figures with the protocol they were measured under, as TOML."""
    lines = ["[protocol]", *(toml_line(key, value) for key, value in about.items())]
    for dataset, name, rows in _groups(outcomes):
        test = [row["test_accuracy"] for row in rows]
        lines += [
            "",
            f"[{dataset}.{name}]",
            toml_line("test_accuracy", [round(t, 4) for t in test]),
        ]
        lines.append(toml_line("mean", round(statistics.fmean(test), 4)))
        if len(test) > 1:
            lines.append(toml_line("std", round(statistics.stdev(test), 4)))
        for key, digits in (("validation_accuracy", 4), ("fit_cpu_seconds", 2)):
            lines.append(toml_line(key, [round(row[key], digits) for row in rows]))
        lines.append(toml_line("rows_per_second", [round(row["rows_per_second"]) for row in rows]))
        for key in (key for key in rows[0] if key.startswith("times_as_fast_as_")):
            lines.append(toml_line(key, [round(row[key], 2) for row in rows]))
        lines.append(toml_line("bytes", [row["bytes"] for row in rows]))
        if "prior" in rows[0]:
            lines.append(toml_line("prior", [row["prior"] for row in rows]))
        if all("forest_as_accurate" in row for row in rows):
            equal = [row["forest_as_accurate"] for row in rows]
            lines.append(toml_line("trees_of_the_forest_as_accurate", [e["trees"] for e in equal]))
            slower = [round(e["slower"], 2) for e in equal]
            lines.append(toml_line("times_as_slow_as_ferns", slower))
    with replacing(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def _groups(outcomes: Outcomes) -> Iterator[tuple[str, str, list[Mapping[str, Any]]]]:
    for dataset in dict.fromkeys(outcome["dataset"] for outcome in outcomes):
        own = [outcome["solvers"] for outcome in outcomes if outcome["dataset"] == dataset]
        for name in own[0]:
            yield dataset, name, [solvers[name] for solvers in own]


def _spread(values: list[float], unit: str) -> str:
    mean = f"{statistics.fmean(values):.1f}"
    return mean + (f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else "") + unit
