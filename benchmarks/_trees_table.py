"""The README's tables of ``results/trees.json``."""

from __future__ import annotations

from typing import Any

BATCH = "10000"


def trees(record: dict[str, Any]) -> str:
    """A row for each forest: rows per second, times faster than the best peer, accuracy."""
    lines = [
        "| forest | exact, rows/s | against the best peer | thresholds as bytes | one row | "
        "accuracy, exact and bytes |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, forest in record["forests"].items():
        many, one = forest["batches"][BATCH], forest["batches"]["1"]
        accuracy = [forest["accuracy"][key] for key in ("bitgrove", "bitgrove bytes")]
        cells = (
            name,
            f"{many['rows_per_second']['bitgrove'][1]:,.0f}",
            best(many, "bitgrove"),
            best(many, "bitgrove bytes"),
            f"{one['microseconds_per_row']['bitgrove'][1]:.1f} µs, {best(one, 'bitgrove')}",
            f"{accuracy[0]:.2%}, {accuracy[1]:.2%}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *convolutions(record["fern_convolution"])]
    machine = record["environment"]
    lines += ["", f"One thread of {machine['cpu']}, by `benchmarks/trees.py`."]
    return "\n".join(lines)


def convolutions(record: dict[str, Any]) -> list[str]:
    """A row for each layer of the fern network, and one for all of it: how many times faster."""
    rivals = ["torch float32", "torch float32, channels last", "packed float32"]
    lines = [
        f"| fern convolution | ms | {' | '.join(rivals)} | our binary |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in {**record["layers"], "the network": record["network"]}.items():
        times = {key: values[1] for key, values in row["times_ferns"].items()}
        binary = times.get("binary", times.get("xnor"))
        cells = [*(times[rival] for rival in rivals), binary]
        shown = " | ".join(f"{value:.2f}×" for value in cells)
        lines.append(f"| {name} | {row['milliseconds']['ferns'][1]:.3f} | {shown} |")
    return lines


def best(batch: dict[str, Any], ours: str) -> str:
    """How many times faster than the fastest of the others, and which that is."""
    ratios = {
        name: values[1]
        for name, values in batch["ratio"][ours].items()
        if not name.startswith("bitgrove")
    }
    name = min(ratios, key=lambda key: ratios[key])
    return f"{ratios[name]:.1f}× {name}"
