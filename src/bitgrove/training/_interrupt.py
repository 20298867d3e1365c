"""Ctrl-C as a request to stop at the next batch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl


class Interrupted(Exception):  # noqa: N818, it is no error
    """The person asked to stop."""


class StopOnRequest(pl.Callback):
    """Ends training before the next batch once :attr:`requested` is set."""

    requested: bool = False

    def on_train_batch_start(self, *args: Any, **kwargs: Any) -> None:
        """Between two batches of training."""
        if self.requested:
            raise Interrupted

    def on_validation_batch_start(self, *args: Any, **kwargs: Any) -> None:
        """Between two batches of validation."""
        if self.requested:
            raise Interrupted


@contextmanager
def stop_on_ctrl_c(stop: StopOnRequest) -> Iterator[None]:
    """Turn the first Ctrl-C into a request; a second one acts as usual.

    Outside the main thread, where Python delivers no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def request(signum: int, frame: Any) -> None:
        stop.requested = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, request)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
