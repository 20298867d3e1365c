"""Tuning, and the rounds in which all libraries search the same queries in turn."""

from __future__ import annotations

import ctypes
import gc
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from _search_curves import Point, thinned
from _search_data import Data
from _search_variants import Adapter, Setting, Variant
from threadpoolctl import threadpool_limits

K = 10
WARM = 100
"""Queries of another part that are searched before a turn, to bring back code and caches."""


@dataclass(slots=True)
class Loaded:
    """An index in memory, with the queries in its type."""

    variant: Variant
    adapter: Adapter
    queries: npt.NDArray
    rss_bytes: int
    """By which the process grew when it was loaded."""
    qps: dict[str, dict[int, list[float]]] = field(default_factory=dict)


def load(variant: Variant, folder: Path, data: Data) -> Loaded:
    before = resident_bytes()
    adapter = variant.make()
    adapter.load(folder, data.base)
    queries = np.ascontiguousarray(adapter.convert(data.queries))
    return Loaded(variant, adapter, queries, resident_bytes() - before - queries.nbytes)


def resident_bytes() -> int:
    """Memory of this process, after what is free was given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@contextmanager
def threads_of_all(count: int) -> Iterator[None]:
    """So many threads for every OpenMP and BLAS in the process."""
    with threadpool_limits(count):
        yield


def tune(one: Loaded, data: Data, queries: int = 500) -> list[Point]:
    """One thread: the front of all settings of a variant, on some of the queries."""
    points: list[Point] = []
    for setting in one.variant.settings:
        one.adapter.use(setting, 1)
        one.adapter.search(one.queries[:WARM], K)
        seconds, ids = [], np.empty((0, K), np.int64)
        for _ in range(2):
            started = time.perf_counter()
            ids = one.adapter.search(one.queries[:queries], K)
            seconds.append(time.perf_counter() - started)
        points.append(Point(data.recall(ids, K), queries / min(seconds), setting))
        alone = len(setting) == 1
        if alone and points[-1].recall > 0.9995:
            break
    return thinned(points)


def measure(
    every: list[tuple[Loaded, list[Setting]]], data: Data, threads: int, rounds: int
) -> dict[str, list[dict[str, object]]]:
    """All settings of all indexes in turn, a part of the queries each round.

    Returns:
        By variant: for each setting the recalls over all parts, the queries per second of each
        round, and their median.
    """
    size = len(data.queries) // rounds
    turns = [(one, setting) for one, settings in every for setting in settings]
    speeds: list[list[float]] = [[] for _ in turns]
    hits: list[list[tuple[float, float]]] = [[] for _ in turns]
    for number in range(rounds):
        start, warm = number * size, ((number + 1) % rounds) * size
        shift = number * len(turns) // rounds
        for index in [*range(shift, len(turns)), *range(shift)]:
            one, setting = turns[index]
            one.adapter.use(setting, threads)
            one.adapter.search(one.queries[warm : warm + WARM], K)
            asked = one.queries[start : start + size]
            started = time.perf_counter()
            ids = one.adapter.search(asked, K)
            speeds[index].append(size / (time.perf_counter() - started))
            hits[index].append((data.recall(ids, K, start), data.recall(ids, 1, start)))
        print(f"  round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    found: dict[str, list[dict[str, object]]] = {}
    for (one, setting), own, recalls in zip(turns, speeds, hits, strict=True):
        found.setdefault(one.variant.name, []).append(
            {
                "setting": setting,
                "recall_at_10": round(statistics.fmean(r[0] for r in recalls), 5),
                "recall_at_1": round(statistics.fmean(r[1] for r in recalls), 5),
                "qps": round(statistics.median(own), 1),
                "qps_of_rounds": [round(v, 1) for v in own],
            }
        )
    return found


def one_at_a_time(
    every: list[tuple[Loaded, Setting]], rounds: int, queries: int = 400
) -> dict[str, float]:
    """One thread, a call for each query: queries per second, medians over the rounds."""
    speeds: dict[str, list[float]] = {one.variant.name: [] for one, _ in every}
    for number in range(rounds):
        start = number * queries % (len(every[0][0].queries) - queries)
        for one, setting in every:
            one.adapter.use(setting, 1)
            asked = [one.queries[i : i + 1] for i in range(start, start + queries)]
            for query in asked[:20]:
                one.adapter.search(query, K)
            started = time.perf_counter()
            for query in asked:
                one.adapter.search(query, K)
            speeds[one.variant.name].append(queries / (time.perf_counter() - started))
    return {name: round(statistics.median(own), 1) for name, own in speeds.items()}
