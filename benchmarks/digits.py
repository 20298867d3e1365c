"""The digits recipe over several seeds: accuracy with its spread, size, latency, wall time.

python benchmarks/digits.py --out benchmarks/results/digits.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from _environment import environment

from bitgrove import recipes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    runs, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in arguments.seeds:
            out = Path(folder) / str(seed)
            started = time.perf_counter()
            recipes.RECIPES["digits"](out, seed=seed)
            seconds.append(round(time.perf_counter() - started, 1))
            runs.append(json.loads((out / "results.json").read_text()))
    record = {
        "seeds": arguments.seeds,
        "accuracy": {name: spread([get(run) for run in runs]) for name, get in ROWS.items()},
        "size_bytes": runs[0]["size_bytes"],
        "latency_ms": [
            {
                "packed": run["latency_ms"]["packed"][1],
                "torch": run["latency_ms"]["torch_float32"][1],
            }
            for run in runs
        ],
        "seconds": seconds,
        "verification": [run["verification"] for run in runs],
        "environment": environment("scikit-learn"),
    }
    arguments.out.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


ROWS = {
    "neighbours": lambda run: run["accuracy"][0]["accuracy"],
    "logits": lambda run: run["accuracy"][1]["accuracy"],
    "twin": lambda run: run["accuracy"][2]["accuracy"],
    "old_before": lambda run: run["teaching"]["before"][0]["accuracy"],
    "old_after": lambda run: run["teaching"]["after"][0]["accuracy"],
    "new_after": lambda run: run["teaching"]["after"][1]["accuracy"],
}


def spread(values: list[float]) -> dict[str, object]:
    return {
        "mean": round(statistics.mean(values), 5),
        "std": round(statistics.stdev(values), 5) if len(values) > 1 else 0.0,
        "values": values,
    }


if __name__ == "__main__":
    main()
