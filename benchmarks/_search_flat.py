"""Exact top-10 among a million codes: ours against IndexBinaryFlat, one thread."""

from __future__ import annotations

import importlib
import time
from typing import Any

import faiss
from _alternate import quartiles
from _search_data import Data
from _search_rounds import K, threads_of_all

OURS, THEIRS = "bitgrove Flat", "faiss IndexBinaryFlat"
CLUSTERED = "bitgrove ClusteredCodes"
_KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    OURS: ("OurFlat", {}),
    CLUSTERED: ("OurClusters", {}),
    THEIRS: ("FaissBinaryFlat", {}),
    f"{THEIRS}, counting": ("FaissBinaryFlat", {"heap": False}),
}
BATCHES = (1, 64)


def measure_flat(data: Data, rounds: int, single: int = 20) -> dict[str, Any]:
    """Milliseconds of a query alone and in batches of 64, in alternation; quartiles of rounds.

    Args:
        data: codes and queries.
        rounds: turns of each index; every turn asks other queries.
        single: queries of a turn that are asked alone.
    """
    module = importlib.import_module("_search_bits")
    indexes = {name: getattr(module, kind)(**more) for name, (kind, more) in _KINDS.items()}
    for index in indexes.values():
        index.build(data.base, 1)
    found: dict[str, Any] = {"rows": len(data.base), "bits": 8 * data.base.shape[1]}
    faiss.omp_set_num_threads(1)
    with threads_of_all(1):
        for name, index in indexes.items():
            recall = data.recall(index.search(data.queries[:64], K), K)
            if recall < 1:
                raise RuntimeError(f"{name} is not exact: recall {recall}")
        for batch in BATCHES:
            times = _alternate(indexes, data, batch, single if batch == 1 else 1, rounds)
            ratios = {
                name: quartiles([t / o for t, o in zip(own, times[OURS], strict=True)])
                for name, own in times.items()
                if name != OURS
            }
            found[f"batch_{batch}"] = {
                "milliseconds_a_query": {n: quartiles(own) for n, own in times.items()},
                "times_slower_than_ours": ratios,
                "times_slower_than_clusters": quartiles(
                    [t / o for t, o in zip(times[THEIRS], times[CLUSTERED], strict=True)]
                ),
            }
    return found


def _alternate(
    indexes: dict[str, Any], data: Data, batch: int, calls: int, rounds: int
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in indexes}
    for number in range(rounds):
        start = number * batch * calls % (len(data.queries) - batch * calls)
        asked = [data.queries[i : i + batch] for i in range(start, start + batch * calls, batch)]
        for name, index in indexes.items():
            index.search(asked[0][:1], K)
            started = time.perf_counter()
            for queries in asked:
                index.search(queries, K)
            seconds = time.perf_counter() - started
            times[name].append(1000 * seconds / (batch * calls))
    return times
