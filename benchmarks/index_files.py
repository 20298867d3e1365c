"""How long an index takes to save, to append to and to load, beside hnswlib's save and load.

python benchmarks/index_files.py --vectors $BITGROVE_DATA/sift/base.npy --out index-files.json

Files are in the page cache when they are loaded. Medians of alternating repeats.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _environment import environment

from bitgrove.search import Fanng


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=Path, required=True, help="a .npy of rows")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--rows", type=int, help="the first rows only")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer", action="store_true", help="measure hnswlib too")
    arguments = parser.parse_args()
    rows = np.load(arguments.vectors, mmap_mode="r")[: arguments.rows]
    extra, rows = np.ascontiguousarray(rows[:1000]), np.ascontiguousarray(rows[1000:])
    with tempfile.TemporaryDirectory(dir=arguments.out.parent) as folder:
        record = measure(Path(folder), rows, extra, arguments.repeats)
        if arguments.peer:
            record["hnswlib"] = measure_peer(Path(folder), rows, arguments.repeats)
    record["environment"] = environment(*["hnswlib"] * arguments.peer)
    arguments.out.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


def measure(folder: Path, rows: npt.NDArray, extra: npt.NDArray, repeats: int) -> dict[str, Any]:
    """Seconds of each step, and bytes."""
    built = Fanng(rows.shape[1], dtype=rows.dtype.name)
    built.add(rows)
    started = time.perf_counter()
    built.build()
    seconds: dict[str, list[float]] = defaultdict(list)
    seconds["build"].append(time.perf_counter() - started)
    path = folder / "index"
    sizes = []
    for _ in range(repeats):
        timed(seconds["save all"], lambda: built.save(path, rewrite=True))
        index = timed(seconds["load and check all"], lambda: Fanng.load(path))
        timed(seconds["map"], lambda: Fanng.load(path, mmap=True))
        timed(seconds["map and check all"], lambda: Fanng.load(path, mmap=True, verify=True))
        mapped = Fanng.load(path, mmap=True)
        timed(
            seconds["first search of a mapped one"],
            lambda mapped=mapped: mapped.search(extra[:1], 10),
        )
        before = path.stat().st_size
        timed(seconds["add 1,000"], lambda index=index: index.add(extra))
        timed(seconds["append 1,000"], lambda index=index: index.save(path))
        sizes = [before, path.stat().st_size - before]
        timed(seconds["load with 1,000 in the log"], lambda: Fanng.load(path))
    return {
        "rows": len(rows),
        "dim": rows.shape[1],
        "dtype": rows.dtype.name,
        "bytes": sizes[0],
        "bytes appended": sizes[1],
        "seconds": summary(seconds),
        "loadavg": os.getloadavg()[0],
    }


def measure_peer(folder: Path, rows: npt.NDArray, repeats: int) -> dict[str, Any]:
    """The whole index saved and loaded, neither checked nor flushed."""
    import hnswlib

    path, dim = str(folder / "peer"), rows.shape[1]
    index = hnswlib.Index("l2", dim)
    index.init_index(len(rows), M=16, ef_construction=100, random_seed=0)
    index.add_items(rows.astype(np.float32))
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeats):
        timed(seconds["save all"], lambda: index.save_index(path))
        timed(seconds["load"], lambda: hnswlib.Index("l2", dim).load_index(path))
    return {"bytes": Path(path).stat().st_size, "seconds": summary(seconds)}


def timed(seconds: list[float], work: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    result = work()
    seconds.append(time.perf_counter() - started)
    return result


def summary(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    return {
        name: {"median": round(statistics.median(times), 5), "least": round(min(times), 5)}
        for name, times in seconds.items()
    }


if __name__ == "__main__":
    main()
