"""Exact search among packed codes against faiss's IndexBinaryFlat, in alternation, on one thread.

The ten nearest of every code of a folder with ``base.npy``, ``learn.npy`` and ``query.npy``
(1M SIFT descriptors), asked for one by one and 64 at a time. The codes are signs: of the leading
components of the descriptors, rotated at random, for 64 and 128 bits; of random directions for 256.
Both must give the same distances.

    python benchmarks/hamming.py --sift FOLDER --out benchmarks/results/hamming.json

Beside the ratios stand the limits of the machine, the best of the same rounds: how fast one thread
reads as many bytes as the codes have, and how fast it counts bits in registers. ``ratio_limit`` is
the ratio of a search that takes no longer than the slower of these.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
from _alternate import Runs, alternate, milliseconds, quartiles, ratios
from _environment import environment

from bitgrove import _core
from bitgrove.search import Flat

BATCHES = (1, 64)
K = 10
CHUNK = 1 << 16
Codes = npt.NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sift", type=Path, required=True, help="folder of the descriptors")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--bits", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--rounds", type=int, default=21)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(1)
    base, learn, query = (np.load(arguments.sift / f"{n}.npy") for n in ("base", "learn", "query"))
    record: dict[str, Any] = {"rows": len(base), "k": K, "rounds": arguments.rounds}
    for bits in arguments.bits:
        encode = encoder(learn, bits)
        record[str(bits)] = measure(encode(base), encode(query), bits, arguments.rounds)
        print(bits, json.dumps(record[str(bits)], indent=2), flush=True)
    record["environment"] = environment("faiss-cpu") | {"threads": 1}
    if arguments.out:
        arguments.out.write_text(json.dumps(record, indent=2) + "\n")


def encoder(learn: npt.NDArray, bits: int) -> Any:
    """Signs of as many projections, learnt from the rows given."""
    rng = np.random.default_rng(0)
    mean = learn.mean(0, dtype=np.float64)
    dim = learn.shape[1]
    if bits <= dim:
        _, axes = np.linalg.eigh(np.cov(learn.astype(np.float64) - mean, rowvar=False))
        rotation, _ = np.linalg.qr(rng.standard_normal((bits, bits)))
        directions = axes[:, ::-1][:, :bits] @ rotation
    else:
        directions = rng.standard_normal((dim, bits))
    directions = directions.astype(np.float32)
    offset = (mean @ directions).astype(np.float32)

    def encode(rows: npt.NDArray) -> Codes:
        parts = (rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK))
        return np.concatenate(
            [np.packbits(p.astype(np.float32) @ directions >= offset, axis=1) for p in parts]
        )

    return encode


def measure(base: Codes, queries: Codes, bits: int, rounds: int) -> dict[str, Any]:
    ours = Flat(bits, "hamming", "bits")
    ours.add(base)
    theirs = faiss.IndexBinaryFlat(bits)
    theirs.add(base)
    agree(ours, theirs, queries[:100])
    return {
        str(batch): compare(ours, theirs, queries, bits, batch, rounds) for batch in BATCHES
    } | {"tenth_distance": quartiles(ours.search(queries[:500], K).distances[:, -1].tolist())}


def agree(ours: Flat, theirs: Any, queries: Codes) -> None:
    """Ids of rows equally far may differ: faiss does not order them."""
    distances, _ = theirs.search(queries, K)
    for found in (ours.search(queries, K, threads=1), ours.search(queries[:1], K, threads=1)):
        np.testing.assert_array_equal(found.distances, distances[: len(found.distances)])


def compare(
    ours: Flat, theirs: Any, queries: Codes, bits: int, batch: int, rounds: int
) -> dict[str, Any]:
    size = len(ours) * bits // 8
    peers: dict[str, Runs] = {
        "bitgrove": asking(lambda q: ours.search(q, K, threads=1), queries, batch),
        "faiss": asking(lambda q: theirs.search(q, K), queries, batch),
        "read": lambda _: [size / _core.read_peak(size, 0.02)],
        "count": lambda _: [batch * len(ours) * bits / _core.popcount_peak(0.02)],
    }
    times = alternate(peers, rounds, turn=0.1 if batch == 1 else 0.3, reduce=min)
    limit = max(min(times["read"]), min(times["count"]))
    own, other = times["bitgrove"], times["faiss"]
    return {
        "milliseconds": milliseconds(times),
        "ratio": ratios({name: times[name] for name in ("bitgrove", "faiss")}, "bitgrove")["faiss"],
        "ratio_limit": quartiles([t / limit for t in other]),
        "fraction_of_limit": quartiles([limit / t for t in own]),
        "gigabytes_per_second": quartiles([size / t / 1e9 for t in own]),
        "billion_pairs_per_second": quartiles([batch * len(ours) / t / 1e9 for t in own]),
    }


def asking(search: Callable[[Codes], object], queries: Codes, batch: int) -> Runs:
    """Every call asks for the next queries.

    The clock is the thread's: it stands still while the processor is lent to others.
    """
    batches = itertools.cycle(range(0, len(queries) - batch + 1, batch))

    def run(count: int) -> list[float]:
        seconds = []
        for _ in range(count):
            first = next(batches)
            some = queries[first : first + batch]
            started = time.thread_time()
            search(some)
            seconds.append(time.thread_time() - started)
        return seconds

    return run


if __name__ == "__main__":
    main()
