"""What a run leaves on the disk after every epoch, and how to take it up again."""

from __future__ import annotations

import os
import pickle
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import nn

from ..files import replacing
from ._differences import differences
from ._errors import TrainingError
from ._learner import Learner
from ._record import EpochMetrics, MetricsLog, best_of

_KEY = "bitgrove"
"""Where our part of a checkpoint lies beside Lightning's."""

_MODEL = "model."
"""What Lightning's names of the weights begin with."""


class Checkpoints(pl.Callback):
    """Writes ``last.ckpt`` after every epoch, ``best.ckpt`` after the best, and the log.

    A checkpoint holds whole epochs only: an epoch that is cut short is run again on resumption,
    from the same seeds, so that the result is that of an uninterrupted run. ``last.ckpt`` exists
    from the first step on.

    Args:
        folder: of the checkpoints.
        log: of the metrics.
        history: epochs done earlier.
        fingerprint: plain values that must be the same on resumption.
    """

    def __init__(
        self,
        folder: Path,
        log: MetricsLog,
        history: list[EpochMetrics],
        fingerprint: Mapping[str, Any],
    ) -> None:
        self.history = list(history)
        self.folder = folder
        self._last, self._best = folder / "last.ckpt", folder / "best.ckpt"
        self._log, self._fingerprint = log, dict(fingerprint)
        self._started = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave something to resume from before the first epoch is done."""
        if not self.history:
            self._save(trainer, self._last)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the checkpoint, then the line of the log that it can restore."""
        assert isinstance(pl_module, Learner)
        metrics = EpochMetrics(
            epoch=trainer.current_epoch + 1,
            step=pl_module.steps_done,
            train_loss=pl_module.train_tally.loss,
            train_accuracy=pl_module.train_tally.accuracy,
            validation_loss=pl_module.validation_tally.loss,
            validation_accuracy=pl_module.validation_tally.accuracy,
            learning_rate=pl_module.learning_rate,
            seconds=time.perf_counter() - self._started,
        )
        self.history.append(metrics)
        if best_of(self.history) is metrics:
            # The best first: a run killed in between trains the epoch again and writes it anew.
            self._save(trainer, self._best)
        self._save(trainer, self._last)
        self._log.append(metrics)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add our part to Lightning's."""
        checkpoint[_KEY] = {
            "history": [asdict(metrics) for metrics in self.history],
            "fingerprint": self._fingerprint,
        }

    @staticmethod
    def _save(trainer: pl.Trainer, path: Path) -> None:
        draft = path.with_name(f".{path.name}.draft")
        try:
            trainer.save_checkpoint(draft)
            with draft.open("rb") as source, replacing(path) as target:
                shutil.copyfileobj(source, target)
        finally:
            draft.unlink(missing_ok=True)


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint of :func:`fit` onto the CPU; no code in it is run.

    Raises:
        TrainingError: the file is missing, damaged, or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise TrainingError(f"there is no checkpoint {path}")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise TrainingError(f"{path} is damaged or no checkpoint ({reason})") from None
    if not isinstance(checkpoint, dict) or not {_KEY, "state_dict"} <= set(checkpoint):
        raise TrainingError(f"{path} is no checkpoint of bitgrove.training.fit")
    return checkpoint


def history_of(checkpoint: dict[str, Any]) -> list[EpochMetrics]:
    """The epochs that led to a checkpoint."""
    return [EpochMetrics(**metrics) for metrics in checkpoint[_KEY]["history"]]


def check_fingerprint(checkpoint: dict[str, Any], expected: Mapping[str, Any], path: Path) -> None:
    """Refuse to resume with other settings, data or another model.

    Raises:
        TrainingError: naming what differs, with both values.
    """
    different = differences(checkpoint[_KEY]["fingerprint"], dict(expected))
    if different:
        raise TrainingError(
            f"cannot resume from {path}: {'; '.join(different)}. Resume with what it was begun "
            "with, or start anew in another folder or with overwrite=True"
        )


def load_weights(model: nn.Module, checkpoint: str | os.PathLike[str]) -> None:
    """Put the weights of a checkpoint of :func:`fit` into ``model``, in place.

    Args:
        model: of the same architecture.
        checkpoint: such as ``RUN/checkpoints/best.ckpt``.

    Raises:
        TrainingError: the file is missing or damaged, or belongs to another architecture.
    """
    state = read_checkpoint(checkpoint)["state_dict"]
    try:
        model.load_state_dict({name.removeprefix(_MODEL): state[name] for name in state})
    except RuntimeError as error:
        raise TrainingError(f"{checkpoint} belongs to another model: {error}") from None
