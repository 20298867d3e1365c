"""Tells a person what goes on: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

Advance = Callable[[int, int], None]


class Steps:
    """Announces the steps of a job on standard error.

    Args:
        quiet: say nothing at all.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._console = Console(stderr=True, highlight=False)
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        """One line with the time since the start."""
        if not self.quiet:
            seconds = time.monotonic() - self._started
            print(f"[{seconds:6.1f} s] {text}", file=sys.stderr, flush=True)

    @contextmanager
    def bar(self, text: str) -> Iterator[Advance]:
        """A bar for work of known length: call the result with (done, total)."""
        self.say(text)
        if self.quiet or not self._console.is_terminal:
            yield lambda done, total: None
            return
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(text, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
