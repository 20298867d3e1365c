"""What the runs come to: a table, and the file that other runs compare with."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ...files import replacing
from .._outcomes import toml_line
from ._arms import BITS, METHODS, Arm
from ._split import PROTOCOL, RetrievalSplit

TITLES = {
    "dsh": "DSH",
    "ninh": "NINH",
    "subic": "SuBiC (asymmetric)",
    "greedyhash": "GreedyHash",
    "csq": "CSQ",
    "orthohash": "OrthoHash",
    "class_codes": "class as code, 4 bits",
    "features": "real features, cosine",
}


def protocol(split: RetrievalSplit, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader must know to compare a figure."""
    arms = "".join(f" --arm {name}" for name in options["arms"])
    return {
        "study": "deep-hashing",
        "dataset": "cifar10, both official parts together",
        "split": f"{PROTOCOL.name}: {len(split.query)} queries, {len(split.database)} in the "
        f"database, of which {len(split.train)} to train on and {len(split.validation)} chose the "
        "backbone's epoch; drawn anew for each seed",
        "metric": "mAP of all ranks, expected over orders of ties; relevant is the query's class",
        "backbone": f"small residual network of width {options['width']}, "
        f"{options['backbone_epochs']} epochs, frozen",
        "backbone_accuracy": options["accuracy"],
        "epochs": options["epochs"],
        "seeds": options["seeds"],
        "torch": torch.__version__,
        "command": f"bitgrove reproduce deep-hashing --seed {options['seeds'][0]} --seeds "
        f"{len(options['seeds'])}{arms}",
    }


def write_expected(
    path: Path,
    about: Mapping[str, Any],
    arms: Sequence[Arm],
    outcomes: Sequence[Mapping[str, Any]],
    by_seed: Sequence[Mapping[str, float]],
) -> None:
    """The figures of every arm with the protocol they were measured under, as TOML."""
    lines = [
        "[protocol]",
        *(toml_line(key, value) for key, value in about.items()),
        "",
        "[references]",
    ]
    for name in ("class_codes", "features"):
        lines += _figure(name, [reference[name] for reference in by_seed])
    for arm in arms:
        own = [outcome for outcome in outcomes if outcome["arm"] == arm.name]
        lines += ["", f"[arms.{arm.name}]"]
        for name in ("map", "precision_radius_2", "empty_balls"):
            if name in own[0]:
                lines += _figure(name, [outcome[name] for outcome in own])
        lines.append(
            toml_line("cpu_seconds", [round(outcome["cpu_seconds"], 1) for outcome in own])
        )
    with replacing(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def table(
    arms: Sequence[Arm],
    outcomes: Sequence[Mapping[str, Any]],
    by_seed: Sequence[Mapping[str, float]],
) -> str:
    """MAP in percent, a row for each method and a column for each length."""
    lengths = [bits for bits in BITS if any(arm.bits == bits for arm in arms)]
    lines = [f"{'':24}" + "".join(f"{bits:>9} bits" for bits in lengths)]
    for method in METHODS:
        cells = []
        for bits in lengths:
            name = Arm(method, bits).name
            cells.append(_cell([o["map"] for o in outcomes if o["arm"] == name]))
        if any(cell != "-" for cell in cells):
            lines.append(f"{TITLES[method]:24}" + "".join(f"{cell:>14}" for cell in cells))
    for name in ("class_codes", "features"):
        lines.append(f"{TITLES[name]:24}{_cell([reference[name] for reference in by_seed]):>14}")
    return "\n".join(lines)


def _figure(name: str, values: Sequence[float]) -> list[str]:
    lines = [toml_line(name, [round(value, 4) for value in values])]
    lines.append(toml_line(f"{name}_mean", round(statistics.fmean(values), 4)))
    if len(values) > 1:
        lines.append(toml_line(f"{name}_std", round(statistics.stdev(values), 4)))
    return lines


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "-"
    text = f"{100 * statistics.fmean(values):.1f}"
    return text + (f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else "")
