"""Rows that random ferns classify in a second, against the forests of scikit-learn.

python benchmarks/ferns.py --out ferns.json

Digits of 64 features, learnt from two thirds of scikit-learn's bundled ones and judged on the rest;
for the speed, rows of those are repeated. One thread, medians of alternating turns. Two problems:
even or odd, whose leaves are single numbers, and ten classes.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _alternate import Runs, alternate, quartiles, ratios, timed
from _environment import environment
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from bitgrove.export import pack_ferns
from bitgrove.runtime import Session
from bitgrove.solvers import RandomFerns

FERNS = {
    f"ferns {ferns}x{depth} {dtype}": {"ferns": ferns, "depth": depth, "table_dtype": dtype}
    for ferns, depth in ((100, 8), (100, 10), (100, 12))
    for dtype in ("float32", "int8")
}
FOREST = "sklearn forest"
FEW = 20_000
"""Rows in a turn of a forest."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--rows", type=int, default=200_000, help="rows in a turn of ferns")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    record = measure(arguments.rows, arguments.rounds)
    arguments.out.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


def measure(rows: int, rounds: int) -> dict[str, Any]:
    """Accuracy, speed and bytes of every solver on both problems."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].astype(np.uint8), y[order]
    record: dict[str, Any] = {
        "even or odd": _problem(x, y % 2, rows, rounds),
        "ten classes": _problem(x, y, rows, rounds),
        "rows": rows,
        "rounds": rounds,
        "threads_used": 1,
    }
    return record | {"environment": environment("scikit-learn")}


def _problem(x: npt.NDArray[np.uint8], y: npt.NDArray, rows: int, rounds: int) -> dict[str, Any]:
    train, test = slice(0, 1198), slice(1198, None)
    solvers: dict[str, Any] = {
        name: RandomFerns(**options, prior=0.1, threads=1) for name, options in FERNS.items()
    }
    solvers[FOREST] = RandomForestClassifier(100, max_depth=10, random_state=0, n_jobs=1)
    solvers["sklearn extra trees"] = ExtraTreesClassifier(
        100, max_depth=10, random_state=0, n_jobs=1
    )
    for solver in solvers.values():
        solver.fit(x[train], y[train])
    many = np.tile(x[test], (-(-rows // len(x[test])), 1))[:rows]
    inputs = {"bytes": many, "floats": many.astype(np.float32)}
    peers: dict[str, Runs] = {}
    for name, solver in solvers.items():
        for kind, given in inputs.items():
            if name in FERNS:
                peers[f"{name}, {kind}"] = timed(partial(solver.decision_function, given))
        if name not in FERNS:
            peers[name] = _scaled(partial(solver.predict_proba, inputs["floats"][:FEW]), rows / FEW)
    seconds = alternate(peers, rounds, turn=0.05)
    faster = {name: ratios(seconds, name)[FOREST] for name in peers if name != FOREST}
    return {
        "accuracy": {name: float(s.score(x[test], y[test])) for name, s in solvers.items()},
        "rows_per_second": {
            name: quartiles([rows / second for second in own]) for name, own in seconds.items()
        },
        "times_as_fast_as_the_forest": faster,
        "one_row_microseconds": _one_row(solvers, inputs["floats"], rounds),
        "table_bytes": {name: int(solvers[name].table_.nbytes) for name in FERNS},
    }


def _scaled(call: Callable[[], object], factor: float) -> Runs:
    """Timed on fewer rows, as if there were ``factor`` times as many."""
    once = timed(call)
    return lambda count: [second * factor for second in once(count)]


def _one_row(
    solvers: dict[str, Any], rows: npt.NDArray[np.float32], rounds: int
) -> dict[str, float]:
    row = rows[:1]
    peers: dict[str, Runs] = {}
    for name, solver in solvers.items():
        if name in FERNS:
            session = Session(pack_ferns(solver))
            peers[f"{name}, packed"] = timed(partial(session.run, row[:, :, None]))
            peers[name] = timed(partial(solver.decision_function, row))
        else:
            peers[name] = timed(partial(solver.predict_proba, row))
    seconds = alternate(peers, rounds, turn=0.02)
    return {name: round(1e6 * statistics.median(own), 2) for name, own in seconds.items()}


if __name__ == "__main__":
    main()
