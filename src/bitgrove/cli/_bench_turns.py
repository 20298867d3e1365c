"""Timing what is compared in turn, so that a slow moment of the machine strikes all of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

Call = Callable[[], object]
Advance = Callable[[int, int], None]

_TURN, _MOST_RUNS = 0.005, 200
"""Seconds that the runs of a turn should take, and how many they are at most."""
_REST = 0.002
"""Seconds of sleep before a turn. Pools wait awake for a while after their work is done, and would
take the processor from the next one."""


class Spread(NamedTuple):
    """The least number, and the quartiles."""

    least: float
    first: float
    median: float
    third: float


def spread(values: Sequence[float]) -> Spread:
    """Of at least one number.

    >>> spread([4, 1, 2, 3, 5])
    Spread(least=1.0, first=2.0, median=3.0, third=4.0)
    """
    return Spread(*np.percentile(values, [0, 25, 50, 75]).tolist())


def take_turns(
    calls: Mapping[str, Call], rounds: int, *, rest: bool, advance: Advance
) -> dict[str, list[float]]:
    """Seconds of one run, for each call and round.

    A turn is a run that is not counted, which brings the call's data back into the caches, and
    then one or more that are, of which the median stands for the turn. Who begins, changes with
    each round.

    Args:
        calls: what is timed, by name.
        rounds: turns of each.
        rest: whether to sleep before each turn.
        advance: told the rounds done and all of them.

    >>> times = take_turns({"a": lambda: 1}, 3, rest=False, advance=lambda done, all: None)
    >>> len(times["a"])
    3
    """
    counts = {}
    for name, call in calls.items():
        call()
        counts[name] = min(_MOST_RUNS, max(1, round(_TURN / max(_timed(call), 1e-9))))
    times: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for index in range(rounds):
        for name in names if index % 2 == 0 else reversed(names):
            if rest:
                time.sleep(_REST)
            calls[name]()
            runs = [_timed(calls[name]) for _ in range(counts[name])]
            times[name].append(float(np.median(runs)))
        advance(index + 1, rounds)
    return times


def _timed(call: Call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


class Steps:
    """Tells what is measured: bars on a terminal, lines elsewhere, both on standard error.

    No thread draws the bars, since it would take time from what is measured.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)

    @contextmanager
    def step(self, text: str) -> Iterator[Advance]:
        """Announce a step; call the result with (done, total)."""
        if not self._console.is_terminal:
            print(f"{text} ...", file=sys.stderr, flush=True)
            yield lambda done, total: None
            return
        columns = (TextColumn("{task.description}", markup=False), BarColumn())
        bars = Progress(*columns, console=self._console, transient=True, auto_refresh=False)
        with bars:
            task = bars.add_task(text, total=None)

            def advance(done: int, total: int) -> None:
                bars.update(task, completed=done, total=total, refresh=True)

            yield advance
