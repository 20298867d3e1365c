"""K-means with many clusters against faiss, and what a million clusters would cost.

First 20,000 clusters of a million descriptors: ours, and faiss's k-means with its exact assignment,
from the same first centres, for the same number of iterations and threads, one after the other in
one process. Every iteration says its objective: the sum of squared distances of the rows to the
centres that it assigned them to. On a machine that is shared, processor time says more than the
clock: both are noted, and the load before each run. ``--peers`` adds faiss's k-means on an HNSW
index. That one and faiss's pruning one (``SuperKMeans``), which is left out, were slower than the
exact one at 2,000 to 5,000 clusters; with more they have not been measured.

Then a ladder: for 5,000 to 200,000 clusters the processor time of building the graph of the centres
and of assigning one row, seeded by the last assignment. A power of the number of clusters is fitted
to each, and says what an iteration with a million clusters and twenty million rows costs.

    python benchmarks/kmeans.py --sift FOLDER --out benchmarks/results/kmeans.json

FOLDER holds ``base.npy``, ``uint8[n, dim]``.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
from _environment import environment

from bitgrove.search import Fanng, KMeans

TARGET = {"clusters": 1_000_000, "rows": 20_000_000}
ROWS_PER_CLUSTER = 20
"""On the ladder, as at the target, as long as there are rows."""

REASONING = (
    "An iteration builds the graph of the centres, walks each row once and adds it to a sum. The "
    "walks of different rows do not touch each other, so their time is rows * a(clusters); the "
    "build depends on the clusters alone. Both grow as powers of the number of clusters over the "
    "ladder (FANNG's walks with N^0.2 to N^0.27), so a line through the logarithms is carried on "
    "to a million, far beyond the last rung; the centres then take 0.5 GB, so that nearly "
    "every distance is a cache miss, as it is already on the last rungs. The rows stream from "
    "disk: 2.6 GB an iteration. The time is of the first seeded iterations, in which rows move the "
    "most; later ones are not slower. An exact assignment is a product of matrices, so its time is "
    "faiss's times the ratio of clusters * rows."
)


def ours(rows: npt.NDArray, first: npt.NDArray[np.float32], settings: Any) -> dict[str, Any]:
    """Our k-means: the bytes as they are, from the memory map."""
    found = KMeans(
        len(first),
        init=first,
        max_iter=settings.iterations,
        tol=0,
        threads=settings.threads,
        width=settings.width,
    ).fit(rows)
    return {
        "objectives": [i.objective for i in found.history_],
        "iteration_seconds": [i.seconds for i in found.history_],
        "build_seconds": [i.build_seconds for i in found.history_],
        "recalls": [i.recall for i in found.history_],
        "empty": [i.empty for i in found.history_],
    }


def theirs(kind: str) -> Callable[..., dict[str, Any]]:
    """K-means of faiss, ``exact`` or on an ``hnsw`` index."""

    def run(rows: npt.NDArray, first: npt.NDArray[np.float32], settings: Any) -> dict[str, Any]:
        wide = np.ascontiguousarray(rows, np.float32)
        parameters = faiss.ClusteringParameters()
        parameters.niter = settings.iterations
        parameters.max_points_per_centroid = len(rows)  # all rows, no sample of them
        parameters.min_points_per_centroid = 1
        clustering = faiss.Clustering(rows.shape[1], len(first), parameters)
        faiss.copy_array_to_vector(first.ravel(), clustering.centroids)
        index = faiss.IndexFlatL2(rows.shape[1])
        if kind == "hnsw":
            index = faiss.IndexHNSWFlat(rows.shape[1], 32)
            index.hnsw.efSearch = settings.ef
        clustering.train(wide, index)
        stats = clustering.iteration_stats
        stats = [stats.at(i) for i in range(stats.size())]
        ends = [i.time for i in stats]
        return {
            "objectives": [i.obj for i in stats],
            "iteration_seconds": np.diff(ends, prepend=0.0).tolist(),
            "search_seconds": np.diff([i.time_search for i in stats], prepend=0.0).tolist(),
            "splits": [i.nsplit for i in stats],
        }

    return run


PEERS = {
    "bitgrove": ours,
    "faiss exact": theirs("exact"),
    "faiss hnsw": theirs("hnsw"),
}


def compare(rows: npt.NDArray, settings: Any) -> dict[str, Any]:
    """All peers from the same centres."""
    random = np.random.default_rng(settings.seed)
    first = np.sort(random.choice(len(rows), settings.clusters, replace=False))
    centres = rows[first].astype(np.float32)
    runs: dict[str, Any] = {}
    for name in settings.peers:
        load, began, cpu = os.getloadavg()[0], time.perf_counter(), time.process_time()
        runs[name] = PEERS[name](rows, centres, settings)
        runs[name] |= {
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - cpu,
            "iterations": len(runs[name]["objectives"]),
            "load_before": load,
        }
        print(name, json.dumps(runs[name]), flush=True)
        gc.collect()
    record = {
        "clusters": settings.clusters,
        "rows": len(rows),
        "iterations": settings.iterations,
        "threads": settings.threads,
        "ef": settings.ef,
        "runs": runs,
    }
    if "bitgrove" in runs:
        own = runs["bitgrove"]
        record["ratios"] = {
            name: {
                "seconds": run["seconds"] / own["seconds"],
                "cpu_seconds": run["cpu_seconds"] / own["cpu_seconds"],
                "our_objective": own["objectives"][-1] / run["objectives"][-1],
            }
            for name, run in runs.items()
            if name != "bitgrove"
        }
    return record


def ladder(rows: npt.NDArray, settings: Any) -> list[dict[str, Any]]:
    """Three iterations for every number of clusters; the last two are seeded."""
    rungs = []
    for clusters in settings.ladder:
        some = rows[: min(len(rows), ROWS_PER_CLUSTER * clusters)]
        load = os.getloadavg()[0]
        marks: dict[str, list[tuple[int, float]]] = {}

        def mark(done: int, _: int, stage: str, marks: dict = marks) -> None:
            marks.setdefault(stage, []).append((done, time.process_time()))

        found = KMeans(
            clusters, max_iter=3, tol=0, threads=settings.threads, width=settings.width
        ).fit(some, progress=mark)
        began = time.process_time()
        again = Fanng(some.shape[1])
        again.add(found.cluster_centers_)
        again.build(settings.threads, width=48)  # as KMeans does
        build = time.process_time() - began
        cold, *seeded = [
            1e6 * (blocks[-1][1] - blocks[0][1]) / (blocks[-1][0] - blocks[0][0])
            for blocks in marks.values()
        ]
        rungs.append(
            {
                "clusters": clusters,
                "rows": len(some),
                "build_cpu_seconds": build,
                "cpu_microseconds_a_row": min(seeded),
                "cold_cpu_microseconds_a_row": cold,
                "iteration_seconds": [i.seconds for i in found.history_],
                "recalls": [i.recall for i in found.history_],
                "empty": [i.empty for i in found.history_],
                "load_before": load,
            }
        )
        print(json.dumps(rungs[-1]), flush=True)
        gc.collect()
    return rungs


def carried_on(rungs: list[dict[str, Any]]) -> dict[str, Any]:
    """The cost of an iteration at the target, from the rungs."""
    build, build_power = fitted(rungs, "build_cpu_seconds")
    row, row_power = fitted(rungs, "cpu_microseconds_a_row")
    assign = row * TARGET["rows"] / 1e6
    return TARGET | {
        "build_power": build_power,
        "row_power": row_power,
        "build_cpu_seconds": build,
        "cpu_microseconds_a_row": row,
        "assign_cpu_seconds": assign,
        "iteration_cpu_seconds": build + assign,
    }


def fitted(rungs: list[dict[str, Any]], name: str) -> tuple[float, float]:
    """Value at the target, and the power, of a line through the logarithms by least squares."""
    x = np.log([r["clusters"] for r in rungs])
    power, offset = np.polyfit(x, np.log([r[name] for r in rungs]), 1)
    return math.exp(offset + power * math.log(TARGET["clusters"])), float(power)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sift", type=Path, required=True, help="folder with base.npy")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--clusters", type=int, default=20_000)
    parser.add_argument("--rows", type=int, help="only so many of the rows")
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--width", type=int, default=16, help="candidates of our walks")
    parser.add_argument("--ef", type=int, default=128, help="candidates of HNSW's, as in faiss's")
    parser.add_argument("--peers", nargs="*", default=list(PEERS)[:2], choices=list(PEERS))
    parser.add_argument("--ladder", type=int, nargs="*", default=[5_000, 20_000, 80_000, 200_000])
    parser.add_argument("--seed", type=int, default=0)
    settings = parser.parse_args()
    faiss.omp_set_num_threads(settings.threads)
    rows = np.load(settings.sift / "base.npy", mmap_mode="r")[: settings.rows]
    record: dict[str, Any] = {}
    if settings.peers:
        record["comparison"] = compare(rows, settings)
    if settings.ladder:
        record["ladder"] = ladder(rows, settings)
    if len(settings.ladder) > 1:
        record["extrapolation"] = carried_on(record["ladder"]) | {"reasoning": REASONING}
        exact = record.get("comparison", {}).get("runs", {}).get("faiss exact")
        if exact:
            times = TARGET["clusters"] * TARGET["rows"] / (settings.clusters * len(rows))
            record["extrapolation"]["faiss_exact_iteration_cpu_seconds"] = (
                times * exact["cpu_seconds"] / exact["iterations"]
            )
    record["environment"] = environment("faiss-cpu")
    if settings.out:
        settings.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
