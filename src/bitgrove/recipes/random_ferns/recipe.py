"""Random ferns against random forests and extra trees, on MNIST and Fashion-MNIST."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import sklearn

from ... import data, kernels
from ...data import ImageData
from ...jobs import Steps
from .._outcomes import kept, write
from ._figures import table, write_expected
from ._rivals import (
    PRIORS,
    SIZES,
    Fitted,
    Parts,
    Rows,
    as_accurate,
    fit_ferns,
    fit_forests,
    median_ratio,
    rows_per_second,
)

DATASETS = ("mnist", "fashion-mnist")


def run(
    out: Path,
    *,
    seed: int = 0,
    seeds: int = 1,
    arm: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    trees: int = 100,
    sizes: tuple[tuple[int, int], ...] = SIZES,
) -> dict[str, Any]:
    """Run the recipe, on one thread: about two minutes of a core for a data set and a seed.

    Args:
        out: folder of the run; ``results.json`` and ``expected.toml`` are written to it.
        seed: of questions and forests, the first one.
        seeds: how many.
        arm: names of data sets, by default MNIST and Fashion-MNIST.
        resume: use again the outcomes that ``out`` holds.
        overwrite: replace them.
        trees: of the forests.
        sizes: ferns and depths.

    Returns:
        What ``results.json`` holds.

    Raises:
        DataError: a data set is not at hand.
        ValueError: an argument is out of range, or ``out`` holds a run.
    """
    if seeds < 1 or trees < 1 or not sizes:
        raise ValueError(f"seeds, trees and sizes must be at least 1, got {seeds}, {trees}")
    if (out / "results.json").exists() and not (overwrite or resume):
        raise ValueError(f"{out} holds a run: --overwrite replaces it, --resume goes on with it")
    steps = Steps()
    names = tuple(arm) or DATASETS
    outcomes: list[dict[str, Any]] = []
    for name in names:
        parts = _parts(name)
        for number in range(seed, seed + seeds):
            path = out / name / f"seed-{number}.json"
            settings = {"trees": trees, "sizes": [list(size) for size in sizes]}
            outcome = kept(path, settings) if resume and not overwrite else None
            if outcome is None:
                steps.say(f"{name}, seed {number}")
                outcome = _compare(parts, number, trees, sizes, steps)
                outcome |= {"dataset": name, "seed": number, "settings": settings}
                path.parent.mkdir(parents=True, exist_ok=True)
                write(path, outcome)
            outcomes.append(outcome)
    rows = parts.test.y  # pyright: ignore[reportPossiblyUnboundVariable]
    about = {
        "study": "random-ferns",
        "datasets": list(names),
        "split": f"a tenth of every training class chose priors, {len(rows)} rows tested once",
        "priors": list(PRIORS),
        "trees": trees,
        "seeds": list(range(seed, seed + seeds)),
        "table": "int8",
        "threads": 1,
        "cpu": kernels.cpu_name(),
        "simd": kernels.simd_level(),
        "scikit-learn": sklearn.__version__,
        "command": f"bitgrove reproduce random-ferns --seed {seed} --seeds {seeds}"
        + "".join(f" --arm {name}" for name in arm),
    }
    results = {"protocol": about, "outcomes": outcomes}
    write(out / "results.json", results)
    write_expected(out / "expected.toml", about, outcomes)
    print(table(outcomes))
    return results


def _parts(name: str) -> Parts:
    def rows(images: ImageData) -> Rows:
        return Rows(images.images.reshape(len(images), -1), images.labels)

    return Parts(*(rows(data.load(name, split=split)) for split in ("train", "validation", "test")))


def _compare(
    parts: Parts, seed: int, trees: int, sizes: tuple[tuple[int, int], ...], steps: Steps
) -> dict[str, Any]:
    forests: list[Fitted] = []
    for forest in fit_forests(parts, seed, trees):
        steps.say(f"  {forest.name}: {forest.validation:.1%} of the validation rows")
        forests.append(forest)
    outcome: dict[str, Any] = {"solvers": {f.name: _described(f, parts) for f in forests}}
    for ferns in fit_ferns(parts, seed, sizes):
        steps.say(f"  {ferns.name}: {ferns.validation:.1%} of the validation rows")
        solvers = [ferns.solver, *(forest.solver for forest in forests)]
        rival = as_accurate(forests[0], ferns, parts)
        if rival is not None:
            solvers.append(rival.solver)
        speeds = rows_per_second(solvers, parts.test.x)
        row = _described(ferns, parts) | {"rows_per_second": median(speeds[0])}
        for forest, own in zip(forests, speeds[1:], strict=False):
            row[f"times_as_fast_as_{forest.name}"] = median_ratio(speeds[0], own)
            outcome["solvers"][forest.name].setdefault("rows_per_second", median(own))
        if rival is not None:
            row["forest_as_accurate"] = _described(rival, parts) | {
                "rows_per_second": median(speeds[-1]),
                "slower": median_ratio(speeds[0], speeds[-1]),
            }
        outcome["solvers"][ferns.name] = row
    return outcome


def _described(fitted: Fitted, parts: Parts) -> dict[str, Any]:
    return {
        "validation_accuracy": fitted.validation,
        "test_accuracy": float(fitted.solver.score(*parts.test)),
        "fit_cpu_seconds": fitted.fit_seconds,
        "bytes": fitted.size,
        **fitted.chosen,
    }
