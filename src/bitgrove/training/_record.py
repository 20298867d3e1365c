"""What is known after each epoch, and the file that lists it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..files import replacing


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochMetrics:
    """One line of ``metrics.jsonl``. Losses are those of the method."""

    epoch: int
    """Epochs done, from 1."""
    step: int
    """Optimiser steps done."""
    train_loss: float
    """Over the epoch, with shifts, flips and label smoothing, by the weights of each step."""
    train_accuracy: float
    """Likewise, 0 to 1."""
    validation_loss: float
    """After the epoch, without label smoothing and teacher."""
    validation_accuracy: float
    """0 to 1."""
    learning_rate: float
    """Of real parameters at the start of the epoch."""
    seconds: float
    """Wall time of the epoch with its validation."""

    def better_than(self, other: EpochMetrics | None) -> bool:
        """Whether the validation accuracy is higher, or the same with a lower loss."""
        if other is None:
            return True
        return (self.validation_accuracy, -self.validation_loss) > (
            other.validation_accuracy,
            -other.validation_loss,
        )

    def to_json(self) -> str:
        """One line, without the newline."""
        return json.dumps(asdict(self))


def best_of(history: Sequence[EpochMetrics]) -> EpochMetrics | None:
    """The earliest of the best epochs, or None without any."""
    best = None
    for metrics in history:
        if metrics.better_than(best):
            best = metrics
    return best


class MetricsLog:
    """``metrics.jsonl``: one JSON object per epoch, each on the disk when its epoch ends.

    Args:
        path: the file.
        history: epochs done earlier; the file is made to list these and no others.
    """

    def __init__(self, path: Path, history: Sequence[EpochMetrics]) -> None:
        self._path = path
        with replacing(path) as file:
            file.writelines(metrics.to_json().encode() + b"\n" for metrics in history)

    def append(self, metrics: EpochMetrics) -> None:
        """Add the line of one more epoch."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(metrics.to_json() + "\n")
