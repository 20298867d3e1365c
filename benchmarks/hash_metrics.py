"""Mean average precision of packed codes against ranking by numpy, torchmetrics and faiss.

10,000 queries, 60,000 rows, ten classes, as many as MNIST has; the codes are a random one for each
class with a fifth of the bits flipped. Peers rank a few of the same queries, for they take longer.
Seconds are those of the processor, for one query, on one thread each; the order of the peers moves
on with every round. Run with OMP_NUM_THREADS=1.

    python benchmarks/hash_metrics.py --out benchmarks/results/hash-metrics.json

``numpy`` is what evaluation scripts do: distances by a product of signs, a sort of each row, a sum
of precisions. ``faiss`` ranks with IndexBinaryFlat, the sum is numpy's. Every value of a peer must
lie between our bounds for its queries. ``seconds`` has one call for all queries, on one and two
threads, by the clock and by the processor.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from _alternate import Runs, alternate, quartiles, ratios
from _environment import environment
from torchmetrics.retrieval import RetrievalMAP

from bitgrove import metrics

QUERIES, ROWS, CLASSES = 10_000, 60_000, 10
FEW = 16
Array = npt.NDArray[Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--bits", type=int, nargs="+", default=[12, 16, 32, 48, 64, 128])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    record: dict[str, Any] = {"queries": QUERIES, "rows": ROWS, "rounds": arguments.rounds}
    for bits in arguments.bits:
        record[str(bits)] = measure(bits, arguments.rounds)
        print(bits, json.dumps(record[str(bits)], indent=2), flush=True)
    peers = ["torchmetrics"] + ["faiss-cpu"] * bool(importlib.util.find_spec("faiss"))
    record["environment"] = environment(*peers)
    if arguments.out:
        arguments.out.write_text(json.dumps(record, indent=2) + "\n")


def data(bits: int) -> tuple[Array, Array, Array, Array]:
    """Signs and labels of queries and rows."""
    rng = np.random.default_rng(0)
    centres = rng.integers(0, 2, (CLASSES, bits), np.uint8)
    labels = rng.integers(0, CLASSES, QUERIES + ROWS)
    bits_of_all = centres[labels] ^ (rng.random((len(labels), bits)) < 0.2)
    return bits_of_all[:QUERIES], bits_of_all[QUERIES:], labels[:QUERIES], labels[QUERIES:]


def measure(bits: int, rounds: int) -> dict[str, Any]:
    asked, held, asked_labels, held_labels = data(bits)
    queries, database = np.packbits(asked, axis=1), np.packbits(held, axis=1)
    right = asked_labels[:FEW, None] == held_labels

    def ours(count: int = QUERIES, threads: int = 1, ties: Any = "expected") -> float:
        truth = metrics.Relevance.from_labels(asked_labels[:count], held_labels)
        return metrics.mean_average_precision(
            queries[:count], database, truth, threads=threads, ties=ties
        )

    peers: dict[str, Callable[[], float]] = {
        "numpy": lambda: by_numpy(asked[:FEW], held, right),
        "torchmetrics": lambda: by_torchmetrics(asked[:FEW], held, right),
    }
    if importlib.util.find_spec("faiss") and bits % 8 == 0:
        peers["faiss"] = lambda: by_faiss(queries[:FEW], database, right)
    bounds = ours(FEW, ties="pessimistic") - 1e-6, ours(FEW, ties="optimistic") + 1e-6
    for name, peer in peers.items():
        if not bounds[0] <= (value := peer()) <= bounds[1]:
            raise SystemExit(f"{name} has {value}, outside of {bounds}")
    runs = {"bitgrove": a_query(ours, QUERIES)} | {
        name: a_query(peer, FEW) for name, peer in peers.items()
    }
    times = alternate(runs, rounds, turn=0.2, reduce=min)
    return {
        "mean_average_precision": {
            ties: ours(ties=ties) for ties in ("expected", "optimistic", "pessimistic")
        },
        "seconds": {str(threads): whole(lambda t=threads: ours(threads=t)) for threads in (1, 2)},
        "picoseconds_a_pair": quartiles([t / ROWS * 1e12 for t in times["bitgrove"]]),
        "microseconds_a_query": {
            name: quartiles([t * 1e6 for t in seconds]) for name, seconds in times.items()
        },
        "ratio": ratios(times, "bitgrove"),
    }


def a_query(call: Callable[[], float], queries: int) -> Runs:
    """Processor seconds of each of some runs, for one query."""

    def run(count: int) -> list[float]:
        seconds = []
        for _ in range(count):
            started = time.process_time()
            call()
            seconds.append((time.process_time() - started) / queries)
        return seconds

    return run


def whole(call: Callable[[], float]) -> dict[str, float]:
    """One call for all queries: the fastest and the middle of nine by the clock; processor time."""
    clock, processor = [], []
    for _ in range(9):
        started = time.perf_counter(), time.process_time()
        call()
        clock.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
    return {
        "clock_fastest": min(clock),
        "clock_median": statistics.median(clock),
        "processor_median": statistics.median(processor),
    }


def mean_of_precisions(right: Array, order: Array) -> float:
    ranked = np.take_along_axis(right, order, axis=1)
    precision = ranked.cumsum(1) / np.arange(1, ranked.shape[1] + 1)
    return float(((precision * ranked).sum(1) / ranked.sum(1)).mean())


def distances(asked: Array, held: Array) -> Array:
    a, b = (2 * rows.astype(np.float32) - 1 for rows in (asked, held))
    return 0.5 * (a.shape[1] - a @ b.T)


def by_numpy(asked: Array, held: Array, right: Array) -> float:
    return mean_of_precisions(right, np.argsort(distances(asked, held), axis=1))


def by_torchmetrics(asked: Array, held: Array, right: Array) -> float:
    scores = 1 + held.shape[1] - torch.from_numpy(distances(asked, held))  # above 0: it needs that
    numbers = torch.arange(len(asked)).repeat_interleave(len(held))
    metric = RetrievalMAP()
    return float(metric(scores.ravel(), torch.from_numpy(right).ravel(), numbers))


def by_faiss(queries: Array, database: Array, right: Array) -> float:
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexBinaryFlat(8 * database.shape[1])
    index.add(database)
    return mean_of_precisions(right, index.search(queries, len(database))[1])


if __name__ == "__main__":
    main()
