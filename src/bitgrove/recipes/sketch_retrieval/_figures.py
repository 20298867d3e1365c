"""What the runs come to: a table, and the file that other runs compare with."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...files import replacing
from .._outcomes import toml_line
from ._arms import Arm
from ._attributes import ATTRIBUTES
from ._moves import SCALE, SHIFT
from ._parts import Part, Parts
from ._pictures import SIDE
from ._score import KS
from ._train import EMBEDDING

HOWS = {
    "real": "",
    "with_attributes": ", and their distance",
    "codes": f", codes of {EMBEDDING} bits",
}
"""How photographs are ranked, and what that adds to the title of an arm."""


def protocol(parts: Parts, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader must know to compare a figure."""
    arms = "".join(f" --arm {name}" for name in options["arms"])
    uses = ("to train on", "chose the epoch", "tested once by each network")
    return {
        "study": "sketch-retrieval",
        "dataset": "BSDS500, its photographs and the contours that people drew on them",
        "split": "; ".join(
            f"{len(part)} drawings of {len(part.names)} photographs {use}"
            for part, use in zip(parts, uses, strict=True)
        ),
        "pictures": f"the middle of each, {SIDE}x{SIDE}; drawings that ask are shifted by up to "
        f"{SHIFT:.1%} of the side and scaled by up to {SCALE:g}, once for all arms and seeds",
        "metric": f"acc@1 and acc@10 among the {len(parts.test.names)} test photographs; 95 % "
        "intervals of a bootstrap over photographs",
        "attributes": len(ATTRIBUTES),
        "epochs": options["epochs"],
        "width": options["width"],
        "embedding": EMBEDDING,
        "seeds": options["seeds"],
        "torch": torch.__version__,
        "command": f"bitgrove reproduce sketch-retrieval --seed {options['seeds'][0]} --seeds "
        f"{len(options['seeds'])} --epochs {options['epochs']} --width {options['width']}{arms}",
    }


def rows(arms: Sequence[Arm], outcomes: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Arm, str]]:
    """What the table has: an arm and how it ranks."""
    for how in HOWS:
        for arm in arms:
            if any(o["arm"] == arm.name and how in o["accuracy"] for o in outcomes):
                yield arm, how


def differences(
    arms: Sequence[Arm], outcomes: Sequence[Mapping[str, Any]], part: Part, samples: int
) -> dict[str, dict[str, list[float]]]:
    """How much higher a row is than ``triplet``, on the same drawings and by the mean of the seeds.

    Returns:
        By ``ARM/HOW`` and ``acc_K`` the difference and its 95 % interval, by a bootstrap over
        photographs; nothing where the arm ``triplet`` was not run.
    """
    photographs = len(part.names)
    count = np.bincount(part.photograph, minlength=photographs)
    drawn = np.random.default_rng(0).integers(0, photographs, (samples, photographs))

    def hits(name: str, how: str, k: int) -> Any:
        own = [o["hits"][how][str(k)] for o in outcomes if o["arm"] == name]
        return np.mean(own, 0) if own else None

    found: dict[str, dict[str, list[float]]] = {}
    for arm, how in rows(arms, outcomes):
        if arm.kind == "chance" or (arm.name, how) == ("triplet", "real"):
            continue
        for k in KS:
            base, own = hits("triplet", "real", k), hits(arm.name, how, k)
            if base is None:
                continue
            more = np.bincount(part.photograph, own - base, minlength=photographs)
            shares = more[drawn].sum(1) / count[drawn].sum(1)
            found.setdefault(f"{arm.name}/{how}", {})[f"acc_{k}"] = [
                float((own - base).mean()), *np.percentile(shares, [2.5, 97.5]).tolist()
            ]  # fmt: skip
    return found


def write_expected(path: Path, results: Mapping[str, Any], arms: Sequence[Arm]) -> None:
    """The figures of every row with the protocol they were measured under, as TOML."""
    lines = ["[protocol]", *(toml_line(key, value) for key, value in results["protocol"].items())]
    for arm in arms:
        own = [o for o in results["outcomes"] if o["arm"] == arm.name]
        lines += ["", f"[arms.{arm.name}]", toml_line("title", arm.title)]
        if "epoch" in own[0]:
            lines.append(toml_line("best_epoch", [o["epoch"] for o in own]))
        if "attribute_distance_weight" in own[0]:
            weights = [o["attribute_distance_weight"] for o in own]
            lines.append(toml_line("attribute_distance_weight", weights))
            for which in own[0]["attributes_right"]:
                right = [statistics.fmean(o["attributes_right"][which].values()) for o in own]
                lines += _figure(f"attributes_right_{which}", right)
        lines.append(toml_line("cpu_seconds", [round(o["cpu_seconds"], 1) for o in own]))
        for how in own[0]["accuracy"]:
            lines += ["", f"[arms.{arm.name}.{how}]"]
            for k in KS:
                found = [o["accuracy"][how][str(k)] for o in own]
                lines += _figure(f"acc_{k}", [value["value"] for value in found])
                for end in ("low", "high"):
                    lines.append(toml_line(f"acc_{k}_{end}", [round(v[end], 4) for v in found]))
            for name, value in results["differences"].get(f"{arm.name}/{how}", {}).items():
                lines.append(toml_line(f"{name}_over_triplet", [round(v, 4) for v in value]))
    with replacing(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def table(
    arms: Sequence[Arm],
    outcomes: Sequence[Mapping[str, Any]],
    more: Mapping[str, Mapping[str, Sequence[float]]],
) -> str:
    """In percent: mean, spread over the seeds, [interval over photographs], gain over triplets."""
    heads = [head for k in KS for head in (f"acc@{k}", "over triplets")]
    lines = [f"{'':56}" + "".join(f"{head:>26}" for head in heads)]
    for arm, how in rows(arms, outcomes):
        cells = []
        for k in KS:
            found = [o["accuracy"][how][str(k)] for o in outcomes if o["arm"] == arm.name]
            cells.append(_cell([100 * f["value"] for f in found]) + _ends(found))
            gain = more.get(f"{arm.name}/{how}", {}).get(f"acc_{k}")
            cells.append(
                f"{100 * gain[0]:+.1f} [{100 * gain[1]:+.1f}, {100 * gain[2]:+.1f}]" if gain else ""
            )
        lines.append(f"{arm.title + HOWS[how]:56}" + "".join(f"{cell:>26}" for cell in cells))
    return "\n".join(lines)


def _cell(values: Sequence[float]) -> str:
    text = f"{statistics.fmean(values):.1f}"
    return text + (f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else "")


def _ends(found: Sequence[Mapping[str, float]]) -> str:
    """The ends of the interval, each the mean of the seeds'."""
    low, high = (100 * statistics.fmean(f[end] for f in found) for end in ("low", "high"))
    return f" [{low:.1f}, {high:.1f}]"


def _figure(name: str, values: Sequence[float]) -> list[str]:
    lines = [toml_line(name, [round(value, 4) for value in values])]
    lines.append(toml_line(f"{name}_mean", round(statistics.fmean(values), 4)))
    if len(values) > 1:
        lines.append(toml_line(f"{name}_std", round(statistics.stdev(values), 4)))
    return lines
