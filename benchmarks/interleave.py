"""Whether queries of one thread should take turns: ``Fanng.search(..., interleave=n)``.

python benchmarks/interleave.py --vectors $BITGROVE_DATA/sift/base.npy \
    --queries $BITGROVE_DATA/sift/query.npy --out interleave.json

A walk waits for the rows that it is to measure. The processor can wait for several rows at once,
and those of one vertex, some twenty, are asked for together; a second walk helps where that leaves
its memory idle. One thread, alternating rounds; ratios are speeds over that of one query at a time.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _alternate import alternate, milliseconds, quartiles, timed
from _environment import environment

from bitgrove.search import Fanng

TURNS = (1, 2, 3, 4, 8)
K = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=Path, required=True, help="a .npy of rows")
    parser.add_argument("--queries", type=Path, required=True, help="a .npy of queries")
    parser.add_argument("--bits", type=int, help="the rows are packed codes of so many bits")
    parser.add_argument("--rows", type=int, help="the first rows only")
    parser.add_argument("--index", type=Path, help="a saved index of these rows")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    index = read(arguments) if arguments.index else built(arguments)
    queries = np.ascontiguousarray(np.load(arguments.queries, mmap_mode="r")[:1000])
    found = measure(index, queries, arguments.recall, arguments.rounds)
    found["environment"] = environment()
    arguments.out.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


def read(arguments: argparse.Namespace) -> Fanng:
    return Fanng.load(arguments.index)


def built(arguments: argparse.Namespace) -> Fanng:
    rows = np.ascontiguousarray(np.load(arguments.vectors, mmap_mode="r")[: arguments.rows])
    if arguments.bits:
        index = Fanng(arguments.bits, "hamming", "bits")
    else:
        index = Fanng(rows.shape[1], dtype=rows.dtype.name)
    index.add(rows)
    index.build()
    return index


def measure(index: Fanng, queries: np.ndarray, recall: float, rounds: int) -> dict[str, Any]:
    """Milliseconds of all queries, and ratios of speed, for each number of turns."""
    width = index.tune(recall, K, queries, threads=1)
    peers = {
        str(turns): timed(partial(index.search, queries, K, interleave=turns, threads=1))
        for turns in TURNS
    }
    times = alternate(peers, rounds)
    return {
        "rows": len(index),
        "queries": len(queries),
        "dtype": index.dtype,
        "dim": index.dim,
        "width": width,
        "recall": index.measure_recall(queries, K, threads=1),
        "milliseconds": milliseconds(times),
        "speed_over_one_at_a_time": {
            name: quartiles([one / own for one, own in zip(times["1"], seconds, strict=True)])
            for name, seconds in times.items()
        },
    }


if __name__ == "__main__":
    main()
