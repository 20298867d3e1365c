"""Iterative quantisation against faiss: the same projections and starts, the error of both.

Usage: python benchmarks/itq.py [mnist|digits] [--out FILE]; needs faiss-cpu.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from _environment import environment

from bitgrove import data
from bitgrove.hashing import ITQ

SEEDS = range(5)
ITERATIONS = 50


def error(projected: np.ndarray) -> float:
    """Squared distance of a row from its signs, on average."""
    return float(np.square(projected - np.where(projected >= 0, 1, -1)).sum(1).mean())


def main() -> None:
    """Compare on one data set, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", nargs="?", default="mnist")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/itq.json"))
    options = parser.parse_args()
    images = data.load(options.dataset, split="train").images
    rows = images.reshape(len(images), -1).astype(np.float32) / 255
    found: dict[str, Any] = {}
    for bits in (8, 16, 32):
        ours, theirs = [], []
        for seed in SEEDS:
            itq = ITQ(bits, iterations=ITERATIONS, random_state=seed).fit(rows)
            ours.append(error(itq.decision_function(rows)))
            start = ITQ(bits, iterations=0, random_state=seed).fit(rows).rotation_
            first = faiss.Float64Vector()
            faiss.copy_array_to_vector(start.ravel(), first)
            matrix = faiss.ITQMatrix(bits)
            matrix.max_iter, matrix.init_rotation = ITERATIONS, first
            projected = ((rows - itq.mean_) @ itq.components_.T).astype(np.float32)
            matrix.train(projected)
            theirs.append(error(matrix.apply(projected)))
        found[str(bits)] = {"bitgrove": ours, "faiss": theirs}
        for name, values in found[str(bits)].items():
            print(
                f"{bits} bits, {name}: {statistics.fmean(values):.5f} ± "
                f"{statistics.stdev(values):.5f}"
            )
    record = {
        **environment("faiss-cpu"),
        "dataset": options.dataset,
        "rows": len(rows),
        "iterations": ITERATIONS,
        "seeds": list(SEEDS),
        "quantisation_error": found,
    }
    options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
