"""The log of what binary weights do while a network trains."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from ..files import replacing
from ._bit_tally import BitRecord, BitTally
from ._learner import Learner


class BitStatistics(pl.Callback):
    """Writes a :class:`BitRecord` to a file of JSON lines at every epoch, or every few updates.

    A batch after which no optimiser has stepped does not count. The file is begun anew with a run;
    a run that goes on from a checkpoint keeps the lines up to it and drops those after it, which
    are written again.

    Args:
        path: such as ``RUN/bits.jsonl``; read it by :func:`read_bits`.
        every: number of updates between records; None records at the end of every epoch.
        bins: of the histograms, 2 or more.

    Raises:
        ValueError: ``every`` is below 1, or ``bins`` below 2.
    """

    def __init__(
        self, path: str | os.PathLike[str], every: int | None = None, *, bins: int = 60
    ) -> None:
        if every is not None and every < 1:
            raise ValueError(f"every must be at least 1, or None, got {every}")
        if bins < 2:
            raise ValueError(f"bins must be at least 2, got {bins}")
        self._path, self._every, self._bins = Path(path), every, bins
        self._tally: BitTally | None = None
        self._restored: dict[str, Any] = {}
        self._steps = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Bring the file to where the run begins."""
        self._tally, self._steps = None, trainer.global_step
        if trainer.is_global_zero:
            _keep_until(self._path, self._restored.get("step", 0))

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Look at the weights before the first update, when nothing else will change them."""
        if self._tally is None:
            model = pl_module.model if isinstance(pl_module, Learner) else pl_module
            self._tally = BitTally(model, trainer.optimizers, bins=self._bins)
            if self._restored:
                self._tally.load_state_dict(self._restored)
                self._restored = {}

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count the update."""
        if self._tally is None or trainer.global_step == self._steps:
            return
        self._steps = trainer.global_step
        self._tally.update()
        if self._every and self._tally.step % self._every == 0:
            self._write(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the line of the epoch."""
        if self._every is None:
            self._write(trainer)

    def state_dict(self) -> dict[str, Any]:
        """The tally's; empty before the first batch."""
        return self._restored if self._tally is None else self._tally.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state until the model is where it will be trained."""
        self._restored = state_dict

    def _write(self, trainer: pl.Trainer) -> None:
        if self._tally is None:
            return
        record = self._tally.record(epoch=trainer.current_epoch + 1)
        if trainer.is_global_zero:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(record.to_json() + "\n")


def read_bits(path: str | os.PathLike[str]) -> list[BitRecord]:
    """Read the lines that :class:`BitStatistics` wrote.

    Raises:
        ValueError: a line is damaged; the message names it.
        OSError: the file cannot be read.
    """
    records = []
    with Path(path).open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                records.append(BitRecord.from_json(line))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
    return records


def _keep_until(path: Path, step: int) -> None:
    """Leave the lines of records up to a step; a line that was cut short came after them."""
    kept = []
    if path.is_file():
        for line in path.read_text("utf-8").splitlines(keepends=True):
            try:
                if BitRecord.from_json(line).step > step:
                    break
            except ValueError:
                break
            kept.append(line)
    with replacing(path) as file:
        file.write("".join(kept).encode())
