"""Reproduce FANNG's paper without its hardware: distances computed per query against rows held.

python benchmarks/fanng_paper.py --sift $BITGROVE_DATA/sift --out RESULT.json --plot RESULT.png

The folder holds base.npy, learn.npy and query.npy, descriptors in uint8; truth is computed here.
Budgets are found by bisection on queries of the learn split and reported on the query split.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _environment import environment
from _fanng_paper_plot import draw
from _fanng_paper_tau import ladder

from bitgrove.search import Fanng, Flat

RECALLS = (0.90, 0.95, 0.99)
DEGREES = (16, 20, 24, 28, 32)
"""Truncations at query time; the paper finds 25 to 32 best."""

PUBLISHED = {
    "figure 9": {
        "0.90": {"100000": 345, "1000000": 550, "5000000": 790, "20000000": 1040},
        "0.95": {"100000": 470, "1000000": 830, "5000000": 1190, "20000000": 1630},
        "0.99": {"100000": 960, "1000000": 1700, "5000000": 2560, "20000000": 4050},
    },
    "figure 9, exponent of the rows": {"0.90": 0.21, "0.95": 0.235, "0.99": 0.27},
    "figure 8, 1,000,000 rows": {"0.90": 770, "0.99": 2330},
    "table 2, 1,000,000 rows": {"0.90": 527, "0.95": 846},
}
"""Distances per query, read off the figures (5 to 10 % uncertain); figure 8's are N / speed-up."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sift", type=Path, required=True, help="folder of base, learn and query")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--plot", type=Path, required=True, help="picture to write")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--tau-rows", type=int, default=10_000, help="of Table 1; 0 to leave it")
    parser.add_argument("--tau-queries", type=int, default=500)
    parser.add_argument("--validation", type=int, default=2000, help="queries of the learn split")
    parser.add_argument("--indexes", type=Path, help="folder that keeps the indexes built")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    base = np.load(arguments.sift / "base.npy", mmap_mode="r")
    test = np.load(arguments.sift / "query.npy")
    learn = np.load(arguments.sift / "learn.npy")[: arguments.validation]
    record: dict[str, Any] = {
        "what": "FANNG by traversal, searched by backtracking: distances computed per query for "
        "recall@1 (ties count). Our SIFT-1M is computed from the photographs of BSDS500; it is not "
        "the paper's set, so curves compare in shape and size, not to the last distance.",
        "recalls": RECALLS,
        "validation_queries": len(learn),
        "test_queries": len(test),
        "seed": arguments.seed,
        "paper": PUBLISHED,
        "sizes": {},
    }
    for count in sorted(arguments.rows):
        rows = np.array(base[:count])
        index, built = made(rows, arguments)
        record["sizes"][str(count)] = built | searched(index, rows, learn, test)
        print(count, json.dumps(record["sizes"][str(count)]), flush=True)
    if len(record["sizes"]) > 1:
        record["exponents"] = exponents(record["sizes"])
    if arguments.tau_rows:
        rows = np.array(base[: arguments.tau_rows])
        record["table 1"] = ladder(rows, test[: arguments.tau_queries])
    record["environment"] = environment("matplotlib")
    arguments.out.write_text(json.dumps(record, indent=2) + "\n")
    draw(record, arguments.plot)


def made(rows: npt.NDArray, arguments: argparse.Namespace) -> tuple[Fanng, dict[str, Any]]:
    """The index of the rows, built now or taken from the folder, and how its build went."""
    path = arguments.indexes and arguments.indexes / f"fanng-{len(rows)}-{arguments.seed}.index"
    notes = path and path.with_suffix(".json")
    if path and path.exists():
        return Fanng.load(path), json.loads(notes.read_text())
    index = Fanng(rows.shape[1], "l2", "uint8", max_degree=max(DEGREES))
    index.add(rows)
    stages = Stages()
    index.build_by_traversal(arguments.threads, arguments.seed, stages)
    built = {
        "build": stages.summary(),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    if path:
        arguments.indexes.mkdir(parents=True, exist_ok=True)
        index.save(path)
        notes.write_text(json.dumps(built) + "\n")
    return index, built


class Stages:
    """Clock and processor seconds of each stage of a build, from its progress."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[float]] = {}
        self._last = time.perf_counter(), time.process_time()

    def __call__(self, done: int, total: int, stage: str) -> None:
        """Called as a build's progress."""
        now = time.perf_counter(), time.process_time()
        spent = self._seconds.setdefault(stage, [0.0, 0.0])
        for i in range(2):
            spent[i] += now[i] - self._last[i]
        self._last = now

    def summary(self) -> dict[str, dict[str, float]]:
        """Seconds by stage; the time before a stage first reports is its own."""
        return {
            stage: {"seconds": round(clock, 1), "processor_seconds": round(processor, 1)}
            for stage, (clock, processor) in self._seconds.items()
        }


def searched(
    index: Fanng, rows: npt.NDArray, learn: npt.NDArray, test: npt.NDArray
) -> dict[str, Any]:
    """Budgets for each recall and truncation on the learn split, and the best on the test split."""
    flat = Flat(rows.shape[1], "l2", "uint8")
    flat.add(rows)
    truths = [flat.search(queries, 1).distances[:, 0] for queries in (learn, test)]
    degrees = (index.arrays()["edges"] != np.iinfo(np.uint32).max).sum(axis=1)

    def recall(queries: npt.NDArray, truth: npt.NDArray, budget: int, degree: int) -> float:
        found = index.search_by_backtracking(queries, 1, budget=budget, degree=degree)
        return float((found.distances[:, 0] == truth).mean())

    at_degree: dict[str, dict[str, int]] = {}
    best: dict[str, dict[str, Any]] = {}
    for target in RECALLS:
        budgets = {
            degree: least(
                lambda budget, degree=degree: recall(learn, truths[0], budget, degree), target
            )
            for degree in DEGREES
        }
        reached = {degree: budget for degree, budget in budgets.items() if budget}
        for degree, budget in reached.items():
            at_degree.setdefault(str(degree), {})[f"{target:.2f}"] = budget
        degree = min(reached, key=lambda d: reached[d])
        before = index.distances_computed
        share = recall(test, truths[1], reached[degree], degree)
        best[f"{target:.2f}"] = {
            "budget": reached[degree],
            "degree": degree,
            "distances": round((index.distances_computed - before) / len(test), 1),
            "recall": round(share, 4),
        }
    return {
        "mean_degree": round(float(degrees.mean()), 2),
        "largest_degree": int(degrees.max()),
        "test": best,
        "validation_budgets_by_degree": at_degree,
    }


def least(recall: Callable[[int], float], target: float) -> int | None:
    """The smallest budget that reaches the recall, up to half a percent of it, or none."""
    high = 64
    while recall(high) < target:
        high *= 2
        if high > 1 << 17:
            return None
    low = 1 if high == 64 else high // 2
    while high - low > max(1, high // 200):
        middle = (low + high) // 2
        if recall(middle) < target:
            low = middle
        else:
            high = middle
    return high


def exponents(sizes: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Slopes of log distances against log rows: over all sizes, and over the two largest."""
    counts = np.log([float(size) for size in sizes])
    found = {}
    for target in RECALLS:
        name = f"{target:.2f}"
        distances = np.log([size["test"][name]["distances"] for size in sizes.values()])
        found[name] = {
            "all": round(float(np.polyfit(counts, distances, 1)[0]), 3),
            "last_two": round(float(np.diff(distances)[-1] / np.diff(counts)[-1]), 3),
        }
    return found


if __name__ == "__main__":
    main()
