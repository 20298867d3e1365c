"""What a person sees during training: a bar on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ._checkpoints import Checkpoints
from ._record import EpochMetrics


class Display(pl.Callback):
    """Shows the progress on standard error; a context manager around the run.

    Args:
        enabled: show anything at all.
        epochs: of the whole run.
        steps: per epoch.
        checkpoints: whose history is shown; it must come earlier in the list of callbacks.
    """

    def __init__(self, enabled: bool, epochs: int, steps: int, checkpoints: Checkpoints) -> None:
        self._console = Console(stderr=True)
        self._enabled, self._epochs, self._steps = enabled, epochs, steps
        self._checkpoints = checkpoints
        self._bar: Progress | None = None
        if enabled and self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(elapsed_when_finished=False),
                TextColumn("{task.fields[metrics]}"),
                console=self._console,
            )

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
            done = len(self._checkpoints.history)
            self._task = self._bar.add_task(
                self._title(done), total=self._epochs * self._steps, metrics=self._text(short=True)
            )
            self._bar.update(self._task, completed=done * self._steps)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Move the bar."""
        if self._bar:
            self._bar.advance(self._task)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Name the epoch."""
        if self._bar:
            self._bar.update(self._task, description=self._title(trainer.current_epoch))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the figures of the epoch."""
        if self._bar:
            self._bar.update(self._task, metrics=self._text(short=True))
        elif self._enabled:
            self._console.print(self._text(short=False), highlight=False, soft_wrap=True)

    def _title(self, done: int) -> str:
        return f"epoch {min(done + 1, self._epochs)}/{self._epochs}"

    def _text(self, *, short: bool) -> str:
        if not self._checkpoints.history:
            return ""
        latest: EpochMetrics = self._checkpoints.history[-1]
        if short:
            return f"loss {latest.train_loss:.3f}  validation {latest.validation_accuracy:.2%}"
        return (
            f"epoch {latest.epoch}/{self._epochs}  loss {latest.train_loss:.4f}  "
            f"accuracy {latest.train_accuracy:.2%}  validation {latest.validation_accuracy:.2%} "
            f"(loss {latest.validation_loss:.4f})  {latest.seconds:.1f} s"
        )
