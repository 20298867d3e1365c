"""Timing peers in turn, so that a slow moment of a shared machine strikes all of them.

A round gives every peer one turn: a run that is not counted, which brings its data back into the
caches, and then a few that are. The order moves on by one each round. A ratio is taken within each
round, and the median over the rounds is reported with its quartiles.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

Runs = Callable[[int], list[float]]
"""Runs a peer so many times and returns the seconds of each run."""
Times = dict[str, list[float]]
"""Seconds of one run, for each peer and round."""


def timed(call: Callable[[], object]) -> Runs:
    """``call``, timed by the clock on the wall."""
    return partial(_run, call)


def _run(call: Callable[[], object], count: int) -> list[float]:
    seconds = []
    for _ in range(count):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return seconds


def alternate(
    peers: Mapping[str, Runs],
    rounds: int,
    *,
    turn: float = 0.03,
    rest: float = 0.0,
    reduce: Callable[[list[float]], float] = statistics.median,
) -> Times:
    """Give every peer a turn, ``rounds`` times.

    Args:
        peers: what is timed, by name.
        rounds: turns of each peer.
        turn: seconds that a turn should take; it has 3 to 500 runs.
        rest: seconds of sleep before each turn. Thread pools wait actively for a while after their
            work is done and would take the processor from the next peer.
        reduce: what stands for a turn: the median of its runs, or their minimum.
    """
    counts = {}
    for name, runs in peers.items():
        runs(1)
        counts[name] = max(3, min(500, round(turn / max(min(runs(2)), 1e-9))))
    times: Times = {name: [] for name in peers}
    names = list(peers)
    for index in range(rounds):
        shift = index % len(names)
        for name in names[shift:] + names[:shift]:
            if rest:
                time.sleep(rest)
            peers[name](1)
            times[name].append(reduce(peers[name](counts[name])))
    return times


def quartiles(values: list[float], digits: int = 4) -> list[float]:
    """First quartile, median and third quartile, rounded to so many significant digits.

    >>> quartiles([1.0, 2.0, 3.0])
    [1.0, 2.0, 3.0]
    """
    found = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return [float(f"{value:.{digits}g}") for value in found]


def milliseconds(times: Times) -> dict[str, list[float]]:
    """Quartiles over the rounds, for each peer."""
    return {name: quartiles([1000 * t for t in own]) for name, own in times.items()}


def ratios(times: Times, ours: str) -> dict[str, list[float]]:
    """How many times slower each other peer is: quartiles of the ratios within the rounds."""
    return {
        name: quartiles([theirs / own for theirs, own in zip(seconds, times[ours], strict=True)])
        for name, seconds in times.items()
        if name != ours
    }
