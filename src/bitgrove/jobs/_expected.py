"""``expected.toml``: the figures of a study, and how another run compares with them."""

from __future__ import annotations

import json
import math
import statistics
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import replacing
from ._arms import Arm
from ._outcome import Outcome


@dataclass(frozen=True, slots=True)
class Spread:
    """Some figures of different seeds."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their mean."""
        return statistics.fmean(self.values)

    @property
    def std(self) -> float:
        """Their standard deviation, of a sample; NaN for one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else math.nan

    def __str__(self) -> str:
        """In percent.

        >>> str(Spread((0.5, 0.52))), str(Spread((0.5,)))
        ('51.0 ± 1.4 %', '50.0 % (one seed)')
        """
        if len(self.values) == 1:
            return f"{100 * self.mean:.1f} % (one seed)"
        return f"{100 * self.mean:.1f} ± {100 * self.std:.1f} %"


def write_expected(
    path: Path, protocol: Mapping[str, Any], arms: Sequence[Arm], outcomes: Iterable[Outcome]
) -> None:
    """Write the accuracies of every arm with the protocol they were measured under."""
    outcomes = list(outcomes)
    lines = ["[protocol]", *(_line(key, value) for key, value in protocol.items())]
    for arm in arms:
        own = [outcome for outcome in outcomes if outcome.arm == arm.name]
        if not own:
            continue
        test = Spread(tuple(o.test_accuracy for o in own))
        lines += [
            "",
            f"[arms.{arm.name}]",
            _line("title", arm.title),
            _line("paper", arm.paper),
            _line("seeds", [o.seed for o in own]),
            _line("test_accuracy", [round(o.test_accuracy, 4) for o in own]),
            _line("mean", round(test.mean, 4)),
        ]
        if len(own) > 1:
            lines.append(_line("std", round(test.std, 4)))
        lines.append(_line("validation_accuracy", [round(o.validation_accuracy, 4) for o in own]))
        lines.append(_line("seconds", [round(o.seconds) for o in own]))
        lines.append(_line("packed_bytes", own[0].packed_bytes))
        if arm.published is not None:
            lines.append(_line("published", arm.published))
            lines.append(_line("published_under", arm.published_under))
    with replacing(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def compare_with_expected(path: Path, produced: Path) -> list[str]:
    """One sentence per arm of ``produced`` that ``path`` has too, if the protocols are the same."""
    if not path.is_file():
        return []
    known, new = (tomllib.loads(p.read_text()) for p in (path, produced))
    keys = ("dataset", "width", "epochs", "batch_size", "precision")
    if any(known["protocol"].get(key) != new["protocol"].get(key) for key in keys):
        return []
    sentences = []
    for name, arm in new["arms"].items():
        if name in known["arms"]:
            there, here = (Spread(tuple(a["test_accuracy"])) for a in (known["arms"][name], arm))
            sentences.append(f"{arm['title']}: {here}, expected {there}")
    return sentences


def _line(key: str, value: object) -> str:
    """One line of TOML; JSON's strings, numbers, lists and booleans are TOML's too."""
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"
