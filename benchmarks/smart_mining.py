"""The smart-mining recipe over several seeds: figures with their spread, curves, time.

python benchmarks/smart_mining.py --out benchmarks/results/smart-mining.json [--run FOLDER]
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from _environment import environment

from bitgrove import recipes
from bitgrove.recipes.smart_mining import FIGURES, figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--run", type=Path, default=Path("runs/smart-mining"), help="its folder")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arm", action="append", default=[], help="default: the three compared")
    arguments = parser.parse_args()
    recipes.RECIPES["smart-mining"](
        arguments.run, seeds=arguments.seeds, arm=arguments.arm, threads=1, resume=True
    )
    results = json.loads((arguments.run / "results.json").read_text())
    outcomes = results["outcomes"]
    arms = {name: [o for o in outcomes if o["arm"] == name] for name in names(outcomes)}
    record = {
        "protocol": results["protocol"],
        "arms": {name: summary(own) for name, own in arms.items()},
        "outcomes": outcomes,
        "environment": environment("lightning", "scikit-learn"),
    }
    arguments.out.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record["arms"], indent=1))


def names(outcomes: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(outcome["arm"] for outcome in outcomes))


def summary(outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    rows = {name: [figure(outcome, name) for outcome in outcomes] for name in FIGURES}
    curves = [[row["validation_recall_at_1"] for row in o["curve"]] for o in outcomes]
    mining = [
        sum(row.get("mining_seconds", 0) for row in o["curve"])
        / sum(row["seconds"] for row in o["curve"])
        for o in outcomes
    ]
    return {
        **{name: spread(values) for name, values in rows.items() if None not in values},
        "validation_by_epoch": [
            round(statistics.mean(epoch), 4) for epoch in zip(*curves, strict=True)
        ],
        "mining_share_of_time": round(statistics.mean(mining), 3),
        "cpu_seconds": [round(outcome["cpu_seconds"], 1) for outcome in outcomes],
    }


def spread(values: list[Any]) -> dict[str, Any]:
    return {
        "mean": round(statistics.mean(values), 5),
        "std": round(statistics.stdev(values), 5) if len(values) > 1 else 0.0,
        "values": [round(value, 5) for value in values],
    }


if __name__ == "__main__":
    main()
