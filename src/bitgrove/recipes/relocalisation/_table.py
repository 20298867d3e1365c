"""The results as a table for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def table(results: Mapping[str, Any]) -> str:
    """A Markdown table of what ``results.json`` holds; times are medians of processor time."""
    metres, degrees = results["protocol"]["metres"], results["protocol"]["degrees"]
    lines = [
        f"| views | searcher | within {metres * 100:.0f} cm, {degrees:.0f}° | by seed | answered "
        "| median error | nearest found | detect | search | solve |",
        "| --- " * 10 + "|",
    ]
    for kind, by_name in results["summary"].items():
        for name, row in by_name.items():
            error = "–"
            if "median_metres" in row:
                error = f"{row['median_metres'] * 100:.1f} cm, {row['median_degrees']:.2f}°"
            strange = kind == "strange"
            seeds = "–" if strange else ", ".join(f"{s:.0%}" for s in row["localised_by_seed"])
            cells = [
                f"{row['views']} {kind}",
                name,
                "–" if strange else f"{row['localised']:.1%}",
                seeds,
                f"{row['answered']:.1%}",
                error,
                f"{row['nearest_found']:.1%}",
                *(f"{row[f'median_{step}_ms']:.1f} ms" for step in ("detect", "search", "solve")),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
