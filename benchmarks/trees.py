"""Packed forests, ferns and fern convolutions against what else runs them, on one thread.

    python benchmarks/trees.py --out benchmarks/results/trees.json

Needs scikit-learn, onnxruntime, skl2onnx, ydf, lightgbm and treelite (``--tl2cgen``: that too, and
minutes of compiling C). Each forest is trained here, packed by ``bitgrove.export.import_forest``,
and timed in alternation with its source and with the peers that import it; ydf and LightGBM, which
import nothing, run their own forests of the same size, and so do we. The clock is that of the
process, which stands still while the processor is lent to others. Beside every speed stands the
accuracy on the test pictures, and how far our answers are from the source's.

A row of ``forests`` holds, for each batch size, microseconds per row and rows per second as
quartiles over the rounds, and in ``ratio`` how many times slower each peer is than ours within a
round: ``bitgrove`` has the exact thresholds, ``bitgrove bytes`` at most 255 for each feature.
``nanoseconds_per_visit`` divides by the nodes that a row visits; ``visits`` counts them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from _alternate import Runs, alternate, quartiles, ratios
from _environment import environment
from _trees_data import Task, load
from _trees_ferns import ferns
from _trees_peers import (
    PACKAGES,
    Answer,
    lightgbm_forest,
    of_lightgbm,
    of_sklearn,
    of_ydf,
    ydf_forest,
)
from fern_conv import figures as fern_convolution
from ferns import measure as ferns_on_digits
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from bitgrove.export import import_forest
from bitgrove.runtime import Forest

TREES, DEPTH = 100, 10
BATCHES = (1, 100, 10_000)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--turn", type=float, default=0.2, help="seconds of a peer's turn")
    parser.add_argument("--train-rows", type=int, default=60_000, help="of MNIST, Fashion-MNIST")
    parser.add_argument("--only", nargs="+", help="names of forests, ferns, or fern_convolution")
    parser.add_argument("--tl2cgen", action="store_true", help="compile tl2cgen's C too")
    arguments = parser.parse_args()
    record: dict[str, Any] = {"trees": TREES, "train_rows": arguments.train_rows, "forests": {}}
    for name, make in FORESTS.items():
        if arguments.only and name not in arguments.only:
            continue
        record["forests"][name] = make(arguments)
        print(name, json.dumps(record["forests"][name]), flush=True)
    if not arguments.only or "ferns" in arguments.only:
        rows, rounds, turn = arguments.train_rows, arguments.rounds, arguments.turn
        record |= ferns(asking, rows, rounds, turn)
        record["ferns_on_digits"] = ferns_on_digits(200_000, min(rounds, 7))
    if not arguments.only or "fern_convolution" in arguments.only:
        torch.set_num_threads(1)
        record["fern_convolution"] = fern_convolution(arguments.rounds)
    record["environment"] = environment(*PACKAGES) | {"threads": 1}
    if arguments.out:
        arguments.out.write_text(json.dumps(record, indent=2) + "\n")


def classes(data: str, depth: int | None) -> Any:
    """A forest of ten classes: leaves are vectors."""

    def run(arguments: argparse.Namespace) -> dict[str, Any]:
        task = load(data, arguments.train_rows)
        model = RandomForestClassifier(TREES, max_depth=depth, random_state=0)
        model.fit(task.train, task.labels)
        peers = of_sklearn(model, compiled=arguments.tl2cgen and depth is not None)
        return measure(task, import_forest(model), peers, "classes", arguments)

    return run


def value(data: str) -> Any:
    """A forest of one value, whether the class is above 4: leaves are numbers."""

    def run(arguments: argparse.Namespace) -> dict[str, Any]:
        task = load(data, arguments.train_rows)
        model = RandomForestRegressor(TREES, max_depth=DEPTH, max_features=8, random_state=0)
        model.fit(task.train, (task.labels > 4).astype(np.float64))
        peers = of_sklearn(model, compiled=arguments.tl2cgen)
        return measure(task, import_forest(model), peers, "above 4", arguments)

    return run


def from_ydf(kind: str, *, boosted: bool) -> Any:
    def run(arguments: argparse.Namespace) -> dict[str, Any]:
        task = load("mnist-pca", arguments.train_rows)
        model = ydf_forest(task, kind, TREES, DEPTH, boosted=boosted)
        return measure(task, import_forest(model), of_ydf(model), kind, arguments)

    return run


def from_lightgbm(arguments: argparse.Namespace) -> dict[str, Any]:
    task = load("mnist-pca", arguments.train_rows)
    model = lightgbm_forest(task, TREES, DEPTH)
    return measure(task, import_forest(model), of_lightgbm(model), "score above 4", arguments)


FORESTS = {
    "digits": classes("digits", DEPTH),
    "mnist-pca": classes("mnist-pca", DEPTH),
    "fashion-mnist-pca": classes("fashion-mnist-pca", DEPTH),
    "mnist-pca value": value("mnist-pca"),
    "mnist-pca ydf": from_ydf("classes", boosted=False),
    "mnist-pca ydf value": from_ydf("above 4", boosted=False),
    "mnist-pca lightgbm": from_lightgbm,
    "mnist unbounded": classes("mnist", None),
    "fashion-mnist unbounded": classes("fashion-mnist", None),
}
"""Trees of depth 10 on 64 features, and whole trees on all 784 pixels."""


def measure(
    task: Task, exact: Forest, peers: dict[str, Answer], kind: str, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Accuracy and speed of one forest."""
    few = exact.quantised()
    ours: dict[str, Answer] = {"bitgrove": exact.predict_raw, "bitgrove bytes": few.predict_raw}
    answers = {name: answer(task.test) for name, answer in (ours | peers).items()}
    source = next(iter(peers))
    mean = visits(exact, task.test[:500])
    found: dict[str, Any] = {
        "features": exact.features,
        "nodes": len(exact.feature),
        "thresholds": int(max(len(np.unique(exact.threshold[exact.feature == f]))
                              for f in np.unique(exact.feature))),
        "layout": {"bitgrove": exact.layout, "bitgrove bytes": few.layout},
        "visits": round(mean, 1),
        "accuracy": {n: accuracy(a, task.test_labels, kind) for n, a in answers.items()},
        "furthest_from_source": {
            name: float(np.abs(np.ravel(answers[name]) - np.ravel(answers[source])).max())
            for name in ours
        },
        "batches": {},
    }  # fmt: skip
    x = np.resize(task.test, (max(BATCHES), exact.features))
    for batch in BATCHES:
        runs = {name: asking(answer, x, batch) for name, answer in (ours | peers).items()}
        times = alternate(runs, arguments.rounds, turn=arguments.turn, reduce=min)
        found["batches"][str(batch)] = {
            "microseconds_per_row": {
                name: quartiles([1e6 * t / batch for t in own]) for name, own in times.items()
            },
            "rows_per_second": {
                name: quartiles([batch / t for t in own]) for name, own in times.items()
            },
            "nanoseconds_per_visit": {
                name: quartiles([1e9 * t / batch / mean for t in times[name]]) for name in ours
            },
            "ratio": {name: ratios(times, name) for name in ours},
        }
    return found


def visits(forest: Forest, x: npt.NDArray[np.float32]) -> float:
    """Nodes that a row visits in all trees, on average."""
    total = 0
    for root in forest.root:
        at = np.full(len(x), root)
        while (on := np.flatnonzero(at >= 0)).size:
            total += len(on)
            node = at[on]
            right = x[on, forest.feature[node]] > forest.threshold[node]
            at[on] = forest.children[node, right.astype(int)]
    return total / len(x)


def accuracy(answer: npt.NDArray, labels: npt.NDArray, kind: str) -> float:
    """Share of right answers; a single value says whether the class is above 4."""
    if kind == "classes":
        found = np.reshape(answer, (len(labels), -1)).argmax(1)
        return round(float((found == labels).mean()), 4)
    middle = 0 if kind.startswith("score") else 0.5
    return round(float(((np.ravel(answer) > middle) == (labels > 4)).mean()), 4)


def asking(answer: Answer, x: npt.NDArray[np.float32], batch: int) -> Runs:
    """Every call asks for the next rows."""
    firsts = itertools.cycle(range(0, len(x) - batch + 1, batch))

    def run(count: int) -> list[float]:
        seconds = []
        for _ in range(count):
            first = next(firsts)
            some = x[first : first + batch]
            started = time.process_time()
            answer(some)
            seconds.append(time.process_time() - started)
        return seconds

    return run


if __name__ == "__main__":
    main()
