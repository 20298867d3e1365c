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
from ._train import BATCH, KS, Arm

FIGURES = (*(f"recall_at_{k}" for k in KS), "nmi", "one_shot")
"""Of an outcome, each 0 to 1."""


def figure(outcome: Mapping[str, Any], name: str) -> float | None:
    """One of :data:`FIGURES`; None if it was not measured."""
    if name.startswith("recall_at_"):
        return outcome["recall"][name.removeprefix("recall_at_")]
    return outcome[name]


def protocol(
    splits: Splits, epochs: int, seeds: Iterable[int], arms: Sequence[str]
) -> dict[str, Any]:
    """What a reader must know to compare a figure."""
    seeds = list(seeds)
    command = f"bitgrove reproduce smart-mining --epochs {epochs} --seed {seeds[0]} --seeds "
    command += str(len(seeds)) + "".join(f" --arm {name}" for name in arms)
    parts = []
    uses = ("to train on", "chose rate and epoch", "tested once")
    for part, use in zip(splits, uses, strict=True):
        alphabets = len({name.partition("/")[0] for name in part.classes})
        parts.append(
            f"{alphabets} alphabet{'s' * (alphabets > 1)} ({len(part.classes)} characters, "
            f"{len(part)} images) {use}"
        )
    return {
        "study": "smart-mining",
        "dataset": "omniglot",
        "split": "; ".join(parts),
        "epochs": epochs,
        "batch_size": [BATCH],
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
        lines += ["", f"[arms.{arm.name}]", toml_line("title", arm.title), toml_line("lr", arm.lr)]
        for name in FIGURES:
            values = [value for o in own if (value := figure(o, name)) is not None]
            if values:
                lines.append(toml_line(name, [round(value, 4) for value in values]))
                lines.append(toml_line(f"{name}_mean", round(statistics.fmean(values), 4)))
            if len(values) > 1:
                lines.append(toml_line(f"{name}_std", round(statistics.stdev(values), 4)))
        lines.append(toml_line("validation", [round(o["validation"], 4) for o in own]))
        lines.append(toml_line("best_epoch", [o["best_epoch"] for o in own]))
        lines.append(toml_line("cpu_seconds", [round(o["cpu_seconds"]) for o in own]))
    with replacing(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def table(arms: Sequence[Arm], outcomes: Sequence[Mapping[str, Any]]) -> str:
    """Mean and standard deviation in percent, a row for each arm."""
    heads = ("Recall@1", "@2", "@4", "@8", "NMI", "one-shot")
    lines = [f"{'':30}" + "".join(f"{head:>14}" for head in heads)]
    for arm in arms:
        own = [outcome for outcome in outcomes if outcome["arm"] == arm.name]
        cells = []
        for name in FIGURES:
            values = [100 * value for o in own if (value := figure(o, name)) is not None]
            cell = f"{statistics.fmean(values):.1f}" if values else "-"
            cells.append(cell + (f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""))
        lines.append(f"{arm.title:30}" + "".join(f"{cell:>14}" for cell in cells))
    return "\n".join(lines)
