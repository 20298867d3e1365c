"""What the runs of the recipe come to: a table, and the file that other runs compare with."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ...data import Splits
from ...files import replacing
from .._outcomes import toml_line
from ._train import RATE, Arm

FIGURES = ("test_accuracy", "hard", "hard_unfitted")
"""Of the test images: as trained; with hard splits and leaves learnt anew; with hard splits."""


def protocol(
    dataset: str, splits: Splits, epochs: int, width: int, seeds: Iterable[int], arms: Sequence[str]
) -> dict[str, Any]:
    """What a reader must know to compare a figure."""
    seeds = list(seeds)
    command = f"bitgrove reproduce ndf-{dataset} --epochs {epochs} --width {width} --seed "
    command += f"{seeds[0]} --seeds {len(seeds)}" + "".join(f" --arm {name}" for name in arms)
    return {
        "study": f"ndf-{dataset}",
        "dataset": dataset,
        "split": (
            f"{len(splits.train)} to train, {len(splits.validation)} chose the epoch, "
            f"{len(splits.test)} tested"
        ),
        "width": width,
        "epochs": epochs,
        "batch_size": [128],
        "learning_rate": RATE,
        "seeds": seeds,
        "torch": torch.__version__,
        "command": command,
    }


def write_expected(
    path: Path,
    about: Mapping[str, Any],
    arms: Sequence[Arm],
    outcomes: Sequence[Mapping[str, Any]],
) -> None:
    """Write the figures of every arm with the protocol they were measured under, as TOML."""
    lines = ["[protocol]", *(toml_line(key, value) for key, value in about.items())]
    for arm in arms:
        own = [outcome for outcome in outcomes if outcome["arm"] == arm.name]
        lines += ["", f"[arms.{arm.name}]", toml_line("title", arm.title)]
        for name in FIGURES:
            values = [o[name] for o in own if name in o]
            if values:
                lines.append(toml_line(name, [round(value, 4) for value in values]))
                lines.append(toml_line(f"{name}_mean", round(statistics.fmean(values), 4)))
            if len(values) > 1:
                lines.append(toml_line(f"{name}_std", round(statistics.stdev(values), 4)))
        for name in ("validation_accuracy", "hard_validation"):
            values = [round(o[name], 4) for o in own if name in o]
            lines += [toml_line(name, values)] if values else []
        packed = [round(o["packed"]["equal"], 4) for o in own if "packed" in o]
        lines += [toml_line("packed_equal", packed)] if packed else []
        lines.append(toml_line("best_epoch", [o["best_epoch"] for o in own]))
        lines.append(toml_line("seconds", [round(o["seconds"]) for o in own]))
    with replacing(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def table(arms: Sequence[Arm], outcomes: Sequence[Mapping[str, Any]]) -> str:
    """Mean and standard deviation in percent, a row for each arm."""
    heads = ("as trained", "hard", "hard, leaves kept")
    lines = [f"{'test accuracy, %':30}" + "".join(f"{head:>20}" for head in heads)]
    for arm in arms:
        own = [outcome for outcome in outcomes if outcome["arm"] == arm.name]
        cells = []
        for name in FIGURES:
            values = [100 * o[name] for o in own if name in o]
            cell = f"{statistics.fmean(values):.2f}" if values else "-"
            cells.append(cell + (f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""))
        lines.append(f"{arm.title:30}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)
