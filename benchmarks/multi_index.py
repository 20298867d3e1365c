"""Multi-index hashing against an exhaustive scan, and against faiss, on real codes.

Usage: python benchmarks/multi_index.py BASE.npy QUERIES.npy [--bits 64 128 256] [--out FILE]
needs faiss-cpu. Both files hold packed codes, uint8[n, bytes]; shorter codes are their first bits.
Single queries, one thread, seconds of the processor, medians of alternating rounds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from _alternate import Runs, alternate, milliseconds, ratios
from _environment import environment

from bitgrove.search import Flat, MultiIndexHashing

K = (1, 10, 100)
RADII = (2, 5, 10)
ASKED = 100
"""Queries; a run asks all of them, one by one."""


def cpu_timed(call: Callable[[], object]) -> Runs:
    """``call``, timed by what it takes of the processor."""

    def run(count: int) -> list[float]:
        seconds = []
        for _ in range(count):
            started = time.process_time()
            call()
            seconds.append((time.process_time() - started) / ASKED)
        return seconds

    return run


def measure(base: np.ndarray, queries: np.ndarray, bits: int, rounds: int) -> dict[str, Any]:
    """All peers on codes of this length; milliseconds of one query."""
    rows = np.ascontiguousarray(base[:, : bits // 8])
    asked = np.ascontiguousarray(queries[:ASKED, : bits // 8])
    single = [asked[i : i + 1] for i in range(len(asked))]
    flat, multi = Flat(bits, "hamming", "bits"), MultiIndexHashing(bits)
    flat.add(rows)
    multi.add(rows)
    started = time.process_time()
    multi.build(threads=1)
    built = time.process_time() - started
    theirs = faiss.IndexBinaryFlat(bits)
    theirs.add(rows)
    width = max(1, min(bits // multi.tables, 28))
    hashed = faiss.IndexBinaryMultiHash(bits, multi.tables, width)
    started = time.process_time()
    hashed.add(rows)
    record: dict[str, Any] = {
        "tables": multi.tables,
        "build_seconds": built,
        "faiss_hash_bits": width,
        "faiss_build_seconds": time.process_time() - started,
        "search": {},
        "range": {},
    }

    def each(search: Callable[[np.ndarray], object]) -> Runs:
        return cpu_timed(lambda: [search(query) for query in single])

    for k in K:
        before = multi.scanned
        ours = multi.search(asked, k, threads=1)
        scanned = multi.scanned - before
        exact = flat.search(asked, k, threads=1)
        assert (ours.ids == exact.ids).all()
        # faiss looks up buckets that differ in so many bits, and is not exact: the least number
        # that finds 99 of 100 neighbours, or 2.
        for flips in (0, 1, 2):
            hashed.nflip = flips
            found = hashed.search(asked, k)[0]
            same = float((found == exact.distances).mean())
            if same >= 0.99:
                break
        peers = {
            "multi_index": each(partial(multi.search, k=k, threads=1)),
            "flat": each(partial(flat.search, k=k, threads=1)),
            "faiss_flat": each(partial(theirs.search, k=k)),
            "faiss_multi_hash": each(partial(hashed.search, k=k)),
        }
        times = alternate(peers, rounds, turn=0.0)
        record["search"][str(k)] = {
            "ms": milliseconds(times),
            "ratio": ratios(times, "multi_index"),
            "scanned": scanned,
            "median_distance": float(np.median(exact.distances[:, -1])),
            "faiss_multi_hash": {"nflip": hashed.nflip, "right_distances": same},
        }
        print(bits, k, record["search"][str(k)], flush=True)
    for radius in RADII:
        before = multi.scanned
        ours_all = multi.range_search(asked, radius, threads=1)
        scanned = multi.scanned - before
        assert (ours_all.ids == flat.range_search(asked, radius, threads=1).ids).all()
        peers = {
            "multi_index": each(partial(multi.range_search, radius=radius, threads=1)),
            "flat": each(partial(flat.range_search, radius=radius, threads=1)),
            "faiss_flat": each(lambda query, r=radius: theirs.range_search(query, r + 1)),
        }
        times = alternate(peers, rounds, turn=0.0)
        record["range"][str(radius)] = {
            "ms": milliseconds(times),
            "ratio": ratios(times, "multi_index"),
            "scanned": scanned,
            "rows_found": len(ours_all.ids),
        }
        print(bits, "radius", radius, record["range"][str(radius)], flush=True)
    return record


def main() -> None:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--bits", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/multi-index.json"))
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    base, queries = np.load(options.base, mmap_mode="r"), np.load(options.queries)
    found = {str(bits): measure(base, queries, bits, options.rounds) for bits in options.bits}
    record = {
        **environment("faiss-cpu"),
        "rows": len(base),
        "queries": ASKED,
        "rounds": options.rounds,
        "bits": found,
    }
    options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
