"""The nearest-neighbour classifier with a million examples: fit, answers, and a class taught later.

The examples are MNIST's training digits 0 to 8, each turned and shifted at random as often as a
million needs, in the 64 first principal components; the tests are MNIST's test images as they are.
The same examples are classified by the exact index, for the accuracy that an exact neighbour
would give and the share of equal answers. On a machine that is shared, processor time says more
than the clock. Then the digit 9 is taught: single examples, each by a
``partial_fit`` of its own, and a thousand at once.

    python benchmarks/nearest_kernel.py --out benchmarks/results/nearest-kernel.json

MNIST is looked for as in ``bitgrove.data.load``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from _environment import environment

from bitgrove import data
from bitgrove.solvers import NearestKernelClassifier

NEW = 9
COMPONENTS = 64
DEGREES, PIXELS = 12.0, 2.0
"""Largest turn and shift, each way."""

Array = npt.NDArray[np.float32]


def turned_and_shifted(images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Each image ``float32[n, 1, h, w]`` turned and shifted by chance."""
    chance = 2 * torch.rand(len(images), 3, generator=random) - 1
    angle = torch.deg2rad(DEGREES * chance[:, 0])
    shift = PIXELS * 2 / images.shape[-1] * chance[:, 1:]
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    places = F.affine_grid(torch.cat([turn, shift[:, :, None]], 2), list(images.shape), False)
    return F.grid_sample(images, places, align_corners=False)


class Components:
    """The first principal components of images."""

    def __init__(self, images: torch.Tensor) -> None:
        flat = images.flatten(1)
        self.mean = flat.mean(0)
        covariance = torch.cov((flat - self.mean).T)
        self.axes = torch.linalg.eigh(covariance)[1][:, -COMPONENTS:]

    def __call__(self, images: torch.Tensor) -> Array:
        """``float32[n, COMPONENTS]``."""
        return ((images.flatten(1) - self.mean) @ self.axes).numpy()


def as_images(part: data.ImageData) -> torch.Tensor:
    return torch.from_numpy(part.images).permute(0, 3, 1, 2).float() / 255


def examples(rows: int, seed: int) -> dict[str, npt.NDArray[Any]]:
    """Rows and labels: ``X, y`` to fit, ``new`` of the class taught later, and the tests."""
    parts = data.load_splits("mnist")
    train = torch.cat([as_images(parts.train), as_images(parts.validation)])
    labels = np.append(parts.train.labels, parts.validation.labels)
    components = Components(train)
    random = torch.Generator().manual_seed(seed)
    old = torch.from_numpy(np.flatnonzero(labels != NEW))
    X = np.empty((rows, COMPONENTS), np.float32)
    y = np.empty(rows, np.int64)
    for start in range(0, rows, len(old)):  # the first as they are, then turned ones
        chosen = old[torch.randperm(len(old), generator=random)][: rows - start]
        here = slice(start, start + len(chosen))
        for first in range(0, len(chosen), 4096):
            batch = train[chosen[first : first + 4096]]
            if start:
                batch = turned_and_shifted(batch, random)
            X[start + first : start + first + len(batch)] = components(batch)
        y[here] = labels[chosen.numpy()]
    return {
        "X": X,
        "y": y,
        "new": components(train[torch.from_numpy(np.flatnonzero(labels == NEW))]),
        "test": components(as_images(parts.test)),
        "test_labels": parts.test.labels,
    }


def resident(name: str = "VmRSS") -> float:
    """MB that the process holds, or with ``VmHWM`` has held at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def clock(call: Any) -> tuple[float, float, Any]:
    """Seconds by the clock, of processor time, and the result."""
    began, cpu = time.perf_counter(), time.process_time()
    result = call()
    return time.perf_counter() - began, time.process_time() - cpu, result


def quantiles(calls: list[tuple[float, float, Any]]) -> dict[str, list[float]]:
    """Median, 95 % and the longest of each time, in milliseconds."""
    return {
        name: (1e3 * np.quantile([call[i] for call in calls], [0.5, 0.95, 1])).tolist()
        for i, name in enumerate(("clock", "processor"))
    }


def accuracy(found: npt.NDArray, labels: npt.NDArray) -> dict[str, float]:
    """Of the digits known from the start, and of the one taught later."""
    right, new = found == labels, labels == NEW
    return {"old": float(right[~new].mean()), "new": float(right[new].mean())}


def measure(settings: argparse.Namespace) -> dict[str, Any]:
    rows = examples(settings.rows, settings.seed)
    known = rows["test_labels"] != NEW
    tests, labels = rows["test"][known], rows["test_labels"][known]
    solver = NearestKernelClassifier(k=settings.k, threads=settings.threads)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident()
    seconds, cpu, _ = clock(lambda: solver.fit(rows["X"], rows["y"]))
    record: dict[str, Any] = {
        "rows": settings.rows,
        "dim": COMPONENTS,
        "k": settings.k,
        "threads": settings.threads,
        "load": os.getloadavg()[0],
        "fit_seconds": seconds,
        "fit_cpu_seconds": cpu,
        "bandwidth": solver.bandwidth_,
        "rows_mb": rows["X"].nbytes / 2**20,
        "memory_mb": resident() - before,
        "peak_mb_above": resident("VmHWM") - before,
    }
    print(json.dumps(record), flush=True)
    solver.predict(tests[:100])
    _, cpu, found = clock(lambda: solver.predict(tests))
    record["batch_cpu_microseconds_a_query"] = 1e6 * cpu / len(tests)
    singles = [clock(lambda i=i: solver.predict(tests[i : i + 1])) for i in range(300)]
    record["single_milliseconds"] = quantiles(singles)
    record["accuracy"] = float((found == labels).mean())
    record["exact"] = exact(rows, solver, tests, labels, found, settings)
    print(json.dumps(record), flush=True)
    record["taught"] = taught(rows, solver, settings)
    return record


def exact(
    rows: dict[str, npt.NDArray[Any]],
    solver: NearestKernelClassifier,
    tests: Array,
    labels: npt.NDArray,
    found: npt.NDArray,
    settings: argparse.Namespace,
) -> dict[str, float]:
    """The same by comparing with every example; on some tests, as it takes long."""
    flat = NearestKernelClassifier(
        solver.bandwidth_, k=settings.k, index="flat", threads=settings.threads
    ).fit(rows["X"], rows["y"])
    some = slice(0, settings.exact)
    _, cpu, truth = clock(lambda: flat.predict(tests[some]))
    near, true = (s.index_.search(tests[some], settings.k) for s in (solver, flat))
    hits = (near.distances <= true.distances[:, -1:] * (1 + 1e-6)).mean()
    return {
        "tests": len(truth),
        "accuracy": float((truth == labels[some]).mean()),
        "accuracy_of_ours": float((found[some] == labels[some]).mean()),
        "equal_answers": float((truth == found[some]).mean()),
        "recall_of_neighbours": float(hits),
        "batch_cpu_microseconds_a_query": 1e6 * cpu / len(truth),
    }


def taught(
    rows: dict[str, npt.NDArray[Any]], solver: NearestKernelClassifier, settings: argparse.Namespace
) -> dict[str, Any]:
    """A class that the index has never seen: accuracy on it, and the time of an example."""
    new, labels = rows["new"], rows["test_labels"]
    record: dict[str, Any] = {"accuracy_before": accuracy(solver.predict(rows["test"]), labels)}
    singles = [
        clock(lambda i=i: solver.partial_fit(new[i : i + 1], [NEW]))
        for i in range(settings.singles)
    ]
    record["single_milliseconds"] = quantiles(singles)
    solver.set_params(balanced=True)
    record["accuracy_after_singles"] = accuracy(solver.predict(rows["test"]), labels)
    many = new[settings.singles : settings.singles + 1000]
    _, cpu, _ = clock(lambda: solver.partial_fit(many, np.full(len(many), NEW)))
    record["batch_cpu_milliseconds_an_example"] = 1e3 * cpu / len(many)
    record["accuracy_after_batch"] = accuracy(solver.predict(rows["test"]), labels)
    return record | {"singles": settings.singles, "batch": len(many)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--exact", type=int, default=1000, help="tests compared with every example")
    parser.add_argument("--singles", type=int, default=100, help="examples taught one by one")
    parser.add_argument("--seed", type=int, default=0)
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    record = measure(settings) | {"environment": environment("scikit-learn")}
    print(json.dumps(record["taught"]))
    if settings.out:
        settings.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
