"""The solvers that are compared, each fitted, chosen and measured."""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from ...export import pack_ferns
from ...solvers import RandomFerns

PRIORS = (1.0, 0.1, 0.01)
"""Of Dirichlet; the validation rows choose."""

SIZES = ((100, 10), (200, 13))
"""Ferns and their depth."""

TESTS = ("thresholds", "pairs")


class Rows(NamedTuple):
    """Pictures as rows of bytes, and their classes."""

    x: npt.NDArray[np.uint8]
    y: npt.NDArray[np.int64]


class Parts(NamedTuple):
    """Of a data set."""

    train: Rows
    validation: Rows
    test: Rows


@dataclass(frozen=True, slots=True)
class Fitted:
    """One solver after its choices on the validation rows."""

    name: str
    solver: Any
    fit_seconds: float
    validation: float
    size: int
    """Bytes of the file."""
    chosen: dict[str, float]


def fit_ferns(
    parts: Parts, seed: int, sizes: tuple[tuple[int, int], ...] = SIZES
) -> Iterator[Fitted]:
    """Ferns of every kind and size, each with the best prior on the validation rows."""
    for tests in TESTS:
        for ferns, depth in sizes:
            solver = RandomFerns(
                ferns,
                depth,
                tests=tests,
                table_dtype="int8",
                random_state=seed,
                threads=1,
            )
            before = time.process_time()
            solver.fit(*parts.train)
            seconds = time.process_time() - before
            scores = {
                prior: solver.set_params(prior=prior).tabulate().score(*parts.validation)
                for prior in PRIORS
            }
            best = max(PRIORS, key=scores.__getitem__)  # of equal ones the largest
            solver.set_params(prior=best).tabulate()
            name = f"ferns-{tests}-{ferns}x{depth}"
            size = _file_size(lambda path, s=solver: pack_ferns(s).save(path))
            yield Fitted(name, solver, seconds, scores[best], size, {"prior": best})


def fit_forests(parts: Parts, seed: int, trees: int) -> Iterator[Fitted]:
    """The two forests of scikit-learn as they come."""
    for name, kind in (
        ("random-forest", RandomForestClassifier),
        ("extra-trees", ExtraTreesClassifier),
    ):
        forest = kind(trees, random_state=seed, n_jobs=1)
        before = time.process_time()
        forest.fit(*parts.train)
        seconds = time.process_time() - before
        accuracy = forest.score(*parts.validation)
        yield Fitted(f"{name}-{trees}", forest, seconds, accuracy, _pickled(forest), {})


def as_accurate(forest: Fitted, rival: Fitted, parts: Parts) -> Fitted | None:
    """The fewest trees of a forest that are right on the validation rows as often as the rival."""
    probability = np.zeros((len(parts.validation.y), len(forest.solver.classes_)))
    for count, tree in enumerate(forest.solver.estimators_, 1):
        probability += tree.predict_proba(parts.validation.x.astype(np.float32))
        accuracy = float((probability.argmax(1) == parts.validation.y).mean())
        if accuracy >= rival.validation:
            part = pickle.loads(pickle.dumps(forest.solver))
            part.estimators_ = part.estimators_[:count]
            part.n_estimators = count
            seconds = forest.fit_seconds * count / len(forest.solver.estimators_)
            return Fitted("forest", part, seconds, accuracy, _pickled(part), {"trees": count})
    return None


def rows_per_second(
    solvers: list[Any], x: npt.NDArray[np.uint8], rounds: int = 5
) -> list[list[float]]:
    """Rows that each classifies in a second of its one core, round by round, in turns."""
    speeds: list[list[float]] = [[] for _ in solvers]
    for _ in range(rounds):
        for solver, own in zip(solvers, speeds, strict=True):
            before = time.process_time()  # of one thread; others may use the machine
            solver.predict(x)
            own.append(len(x) / max(time.process_time() - before, 1e-6))
    return speeds


def median_ratio(first: list[float], second: list[float]) -> float:
    """Of speeds that were measured in turns."""
    return median(a / b for a, b in zip(first, second, strict=True))


def _pickled(solver: Any) -> int:
    return len(pickle.dumps(solver, protocol=5))


def _file_size(save: Callable[[Path], None]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.grove"
        save(path)
        return path.stat().st_size
