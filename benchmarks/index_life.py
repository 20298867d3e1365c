"""The life of a graph index: what changes cost, and what searches find after them.

On vectors of ``base.npy`` and queries of ``query.npy``, with an index of the first rows:

- half of the rows, chosen at random, are removed in parts, then added again in parts; recall at one
  width is compared with that of a graph that is built anew of the same rows;
- single rows are added, updated and removed;
- searches may only return 1 %, 10 % or 50 % of the rows, chosen at random, or the rows farthest
  from one query, as a filter by the picture a row is from would do.

Recall is that of the 10 nearest, tie-aware. Times are of the processor, all threads together,
since the clock of a machine that others use says little.

    python benchmarks/index_life.py --sift FOLDER --rows 100000 --out index_life.json
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _environment import environment

from bitgrove.search import Fanng, Flat

K = 10
SHARES = (0.01, 0.1, 0.5)


def seconds(work: Any) -> float:
    """Of processor time, of all threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


def recall_within(found: npt.NDArray[np.float32], exact: npt.NDArray[np.float32]) -> float:
    """Share of results that are no farther than the last exact one."""
    return float((found <= exact[:, -1:]).mean())


def build(rows: npt.NDArray, threads: int) -> tuple[Fanng, float]:
    index = Fanng(rows.shape[1], dtype=str(rows.dtype))
    index.add(rows)
    return index, seconds(lambda: index.build(threads=threads))


def half_replaced(
    rows: npt.NDArray, queries: npt.NDArray, threads: int, parts: int
) -> dict[str, Any]:
    """Recall and times of an index half of whose rows went and came back."""
    index, built_in = build(rows, threads)
    width = index.tune(0.95, K, queries[: len(queries) // 2], threads=threads)
    rest = queries[len(queries) // 2 :]
    fresh = index.measure_recall(rest, K, threads=threads)
    gone = np.random.default_rng(0).permutation(len(rows))[: len(rows) // 2]
    removing = adding = 0.0
    for part in np.array_split(gone, parts):
        removing += seconds(lambda ids=part: index.remove(ids, threads=threads))
    halved = index.measure_recall(rest, K, threads=threads)
    for part in np.array_split(gone, parts):
        adding += seconds(lambda ids=part: index.add(rows[ids], ids, threads=threads))
    again = index.measure_recall(rest, K, threads=threads)
    sample = np.random.default_rng(1).integers(0, len(rows), 2000)
    found = index.search(rows[sample], 1, width=64, threads=threads)
    return {
        "rows": len(rows),
        "build_processor_s": built_in,
        "width": width,
        "recall_built": fresh,
        "recall_after_removals": halved,
        "recall_after_removals_and_additions": again,
        "rows_found_as_their_own_query": float((found.distances[:, 0] == 0).mean()),
        "ms_per_row_removed": 1e3 * removing / len(gone),
        "ms_per_row_added_again": 1e3 * adding / len(gone),
    }


def single_changes(rows: npt.NDArray, threads: int, count: int = 300) -> dict[str, float]:
    """Milliseconds of changes of one row each; removed rows await their tidying."""
    held, new = rows[: -2 * count], rows[-2 * count :]
    index, _ = build(held, threads)
    chosen = np.random.default_rng(2).permutation(len(held))

    def each(change: Any) -> float:
        return 1e3 * seconds(lambda: [change(i) for i in range(count)]) / count

    return {
        "add": each(lambda i: index.add(new[i : i + 1], threads=threads)),
        "update": each(
            lambda i: index.update(
                chosen[i : i + 1], new[count + i : count + i + 1], threads=threads
            )
        ),
        "remove": each(lambda i: index.remove(chosen[-1 - i :][:1], threads=threads)),
    }


def filtered(rows: npt.NDArray, queries: npt.NDArray, threads: int) -> list[dict[str, Any]]:
    """Recall and queries per second of searches among some of the rows."""
    index, _ = build(rows, threads)
    index.tune(0.95, K, queries[: len(queries) // 2], threads=threads)
    rest = queries[len(queries) // 2 :]
    far = np.argsort(-((rows.astype(np.float32) - rest[0].astype(np.float32)) ** 2).sum(1))
    rng = np.random.default_rng(3)
    results = []
    for share in SHARES:
        count = round(share * len(rows))
        for kind, chosen in (("random", rng.permutation(len(rows))[:count]), ("far", far[:count])):
            flat = Flat(rows.shape[1], dtype=str(rows.dtype))
            flat.add(rows[chosen], np.sort(chosen))
            exact = flat.search(rest, K, threads=threads).distances
            start = time.process_time()
            found = index.search(rest, K, filter=chosen, threads=threads)
            taken = time.process_time() - start
            results.append(
                {
                    "share": share,
                    "kind": kind,
                    "recall": recall_within(found.distances, exact),
                    "queries_per_processor_s": len(rest) / taken,
                }
            )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sift", type=Path, required=True, help="folder of base.npy, query.npy")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000])
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--parts", type=int, default=20, help="in which half of the rows go")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/index_life.json"))
    arguments = parser.parse_args()
    base = np.load(arguments.sift / "base.npy", mmap_mode="r")
    queries = np.load(arguments.sift / "query.npy")[: arguments.queries]
    results = []
    for count in arguments.rows:
        rows = np.ascontiguousarray(base[:count])
        result = half_replaced(rows, queries, arguments.threads, arguments.parts)
        result["ms_of_one_row"] = single_changes(rows, arguments.threads)
        result["filtered"] = filtered(rows, queries, arguments.threads)
        results.append(result)
        print(json.dumps(result, indent=1), flush=True)
        record = {"environment": environment(), "threads": arguments.threads, "runs": results}
        arguments.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
