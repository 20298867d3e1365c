"""Landmarks by a cascade of forests, against linear stages, a random forest and the mean shape."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
import torch
from sklearn.ensemble import RandomForestRegressor

from ... import data
from ...data import Faces, FaceSplits
from ...files import replacing
from ...jobs import Steps
from ...solvers import ShapeCascade
from ...solvers._shape_features import patches
from .._outcomes import kept, toml_line, write

Predict = Callable[[Faces], npt.NDArray[np.float32]]

STAGES, STARTS = 5, 5
EYES = (36, 45)
"""The outer corners, whose distance is the unit of the normalised error."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to find the landmarks."""

    name: str
    title: str


ARMS = (
    Arm("mean-shape", "Mean shape of the training faces"),
    Arm("random-forest", "Random forest (scikit-learn), one step"),
    Arm("linear", "Cascade, linear stages"),
    Arm("forest", "Cascade, decision forests"),
)


def run(
    out: Path,
    *,
    seed: int = 0,
    seeds: int = 1,
    epochs: int = 6,
    arm: Sequence[str] = (),
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> list[dict[str, Any]]:
    """Train every arm with every seed; write ``results.json`` and ``expected.toml``.

    Args:
        out: folder of the run.
        seed: of starts and forests, the first one. The split is the same for all.
        seeds: how many.
        epochs: of each stage of forests.
        arm: names of the arms; by default all.
        threads: of torch; by default its own choice.
        resume: use again the outcomes that ``out`` holds.
        overwrite: replace them.

    Raises:
        DataError: the faces are not at hand.
        ValueError: an arm is unknown, a number is out of range, or an outcome that is there
            already was made with other settings.
    """
    for name, number in (("seeds", seeds), ("epochs", epochs)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    unknown = sorted(set(arm) - {a.name for a in ARMS})
    if unknown:
        names = ", ".join(a.name for a in ARMS)
        raise ValueError(f"ndf-keypoints has no arm {', '.join(unknown)}; it has: {names}")
    arms = [a for a in ARMS if a.name in arm or not arm]
    if threads is not None:
        torch.set_num_threads(threads)
    steps, splits, outcomes = Steps(), data.load_faces(), []
    for number in range(seed, seed + seeds):
        for chosen in arms:
            path = out / chosen.name / f"seed-{number}" / "outcome.json"
            settings = {"epochs": epochs}
            outcome = kept(path, settings) if resume and not overwrite else None
            if outcome is None:
                outcome = _measure(chosen, splits, number, epochs) | {"settings": settings}
                write(path, outcome)
            steps.say(
                f"{chosen.title}, seed {number}: {outcome['pixels']:.3f} pixels, "
                f"{outcome['normalised']:.2%} of the distance of the eyes"
            )
            outcomes.append(outcome)
    about = {
        "study": "ndf-keypoints",
        "dataset": "faces",
        "split": "; ".join(
            f"{len(part)} images of {len(np.unique(part.identity))} people {use}"
            for part, use in zip(splits, ("to train", "chose settings", "tested"), strict=True)
        ),
        "stages": STAGES,
        "starts": STARTS,
        "epochs": epochs,
        "seeds": list(range(seed, seed + seeds)),
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "command": f"bitgrove reproduce ndf-keypoints --epochs {epochs} --seed {seed} --seeds "
        + f"{seeds}"
        + "".join(f" --arm {a.name}" for a in (arms if arm else ())),
    }
    write(out / "results.json", {"protocol": about, "outcomes": outcomes})
    _write_expected(out / "expected.toml", about, arms, outcomes)
    print(_table(arms, outcomes))
    return outcomes


def errors(found: npt.NDArray[Any], faces: Faces) -> tuple[float, float]:
    """Mean distance of the landmarks in pixels, and over the distance of the outer eye corners.

    Faces whose eyes are fewer than 2 pixels apart are left out of the second.
    """
    far = np.linalg.norm(found - faces.keypoints, axis=2).mean(1)
    eyes = np.linalg.norm(faces.keypoints[:, EYES[0]] - faces.keypoints[:, EYES[1]], axis=1)
    usable = eyes >= 2
    return float(far.mean()), float((far[usable] / eyes[usable]).mean())


def _measure(arm: Arm, splits: FaceSplits, seed: int, epochs: int) -> dict[str, Any]:
    """Train, then measure on the validation people and once on the test people."""
    started, cpu = time.perf_counter(), time.process_time()
    predict = _train(arm, splits.train, seed, epochs)
    trained = time.perf_counter() - started, time.process_time() - cpu
    pixels, normalised = errors(predict(splits.test), splits.test)
    return {
        "arm": arm.name,
        "seed": seed,
        "epochs": epochs,
        "pixels": pixels,
        "normalised": normalised,
        "validation_pixels": errors(predict(splits.validation), splits.validation)[0],
        "train_pixels": errors(predict(splits.train), splits.train)[0],
        "seconds": trained[0],
        "cpu_seconds": trained[1],
    }


def _train(arm: Arm, faces: Faces, seed: int, epochs: int) -> Predict:
    mean = faces.keypoints.mean(0)
    if arm.name == "mean-shape":
        return lambda other: np.repeat(mean[None], len(other), 0)
    if arm.name == "random-forest":
        return _random_forest(faces, mean, seed)
    settings: dict[str, Any] = {"regressor": "linear", "alpha": ALPHA}
    if arm.name == "forest":
        settings = {"regressor": "forest", "epochs": epochs}
    cascade = ShapeCascade(STAGES, starts=STARTS, random_state=seed, **settings)
    cascade.fit(faces.images[..., 0], faces.keypoints)
    return lambda other: cascade.predict(other.images[..., 0])


ALPHA = 1.0
"""Of the linear stages; the best of 0.1, 1 and 5 on the validation people."""


def _random_forest(faces: Faces, mean: npt.NDArray[Any], seed: int) -> Predict:
    """Trees on what the first stage of a cascade sees at the mean shape."""

    def features(other: Faces) -> npt.NDArray[np.float32]:
        shapes = np.repeat(mean[None], len(other), 0)
        return patches(other.images[..., 0], shapes, np.arange(len(other)), side=5, spacing=4)

    forest = RandomForestRegressor(100, min_samples_leaf=3, random_state=seed)
    forest.set_params(max_features="sqrt")
    forest.fit(features(faces), faces.keypoints.reshape(len(faces), -1))

    def predict(other: Faces) -> npt.NDArray[np.float32]:
        return forest.predict(features(other)).reshape(other.keypoints.shape).astype(np.float32)

    return predict


_FIGURES = ("pixels", "normalised", "validation_pixels", "train_pixels")


def _write_expected(
    path: Path, about: Mapping[str, Any], arms: Sequence[Arm], outcomes: Sequence[Mapping[str, Any]]
) -> None:
    lines = ["[protocol]", *(toml_line(key, value) for key, value in about.items())]
    for arm in arms:
        own = [outcome for outcome in outcomes if outcome["arm"] == arm.name]
        lines += ["", f"[arms.{arm.name}]", toml_line("title", arm.title)]
        for name in _FIGURES:
            values = [outcome[name] for outcome in own]
            lines.append(toml_line(name, [round(value, 4) for value in values]))
            lines.append(toml_line(f"{name}_mean", round(statistics.fmean(values), 4)))
            if len(values) > 1:
                lines.append(toml_line(f"{name}_std", round(statistics.stdev(values), 4)))
        lines.append(
            toml_line("cpu_seconds", [round(outcome["cpu_seconds"], 1) for outcome in own])
        )
    with replacing(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def _table(arms: Sequence[Arm], outcomes: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"{'test people':42}{'pixels':>16}{'% of eyes':>16}"]
    for arm in arms:
        own = [outcome for outcome in outcomes if outcome["arm"] == arm.name]
        cells = []
        for name, unit in (("pixels", 1), ("normalised", 100)):
            values = [unit * outcome[name] for outcome in own]
            cell = f"{statistics.fmean(values):.2f}"
            cells.append(cell + (f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""))
        lines.append(f"{arm.title:42}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)
