"""Train, measure and pack every arm of a study, with several seeds."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import export, training
from ..data import ImageData, Splits
from ..runtime import Preprocessing
from ..training import FitResult
from ..training._differences import differences
from ..training._method import plain
from ._arms import Arm, Plan, Stage, StudyOptions
from ._budget import Scale
from ._fit import InterruptedRunError
from ._outcome import Outcome
from ._steps import Steps

_VERIFIED = 64
"""Validation images on which a packed network is compared with torch's."""


def train_arms(
    plan: Plan, splits: Splits, scale: Scale, out: Path, options: StudyOptions, steps: Steps
) -> list[Outcome]:
    """Train every arm with every seed into ``out/ARM/seed-N``, seed by seed.

    The seed is that of the weights, the order and the shifts of the images; the split is the same
    for all. Validation chooses the epoch, within the last stage; the test images are classified
    once by each network. Outcomes that are there already are used again when resuming.

    Raises:
        InterruptedRunError: Ctrl-C ended the training; ``resume`` goes on.
        TrainingError: the loss diverged.
        RuntimeError: a packed network differs from torch's.
    """
    outcomes = []
    if options.overwrite:
        for arm in plan.arms:
            for seed in options.seeds:
                (out / arm.name / f"seed-{seed}" / "outcome.json").unlink(missing_ok=True)
    for seed in options.seeds:
        for arm in plan.arms:
            folder = out / arm.name / f"seed-{seed}"
            with torch.random.fork_rng():
                settings = _settings(plan, arm, scale, options)
            done = _done(folder / "outcome.json", settings) if options.resume else None
            if done is None:
                steps.say(f"{arm.title}, seed {seed}")
                done = _train_arm(arm, seed, splits, scale, folder, settings, options)
                done.save(folder / "outcome.json")
                for checkpoint in folder.glob("stage-*/checkpoints/last.ckpt"):
                    checkpoint.unlink()  # only the best is of use to anybody now
            steps.say(
                f"{arm.title}, seed {seed}: test {done.test_accuracy:.2%}, validation "
                f"{done.validation_accuracy:.2%}, {done.seconds:.0f} s"
            )
            outcomes.append(done)
    return outcomes


def _train_arm(
    arm: Arm,
    seed: int,
    splits: Splits,
    scale: Scale,
    folder: Path,
    settings: dict[str, Any],
    options: StudyOptions,
) -> Outcome:
    before: nn.Module | None = None
    curve: list[dict[str, Any]] = []
    model, result = nn.Module(), None
    for number, (stage, epochs) in enumerate(
        zip(arm.stages, _epochs(arm, scale.epochs_of(arm)), strict=True), start=1
    ):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = stage.create(scale.width)
        if before is not None and stage.inherit:
            model.load_state_dict(before.state_dict())
        result = _train_stage(
            model, stage, epochs, seed, splits, folder / f"stage-{number}", options,
            teacher=before if stage.teach else None,
        )  # fmt: skip
        first = len(curve)
        curve += [asdict(m) | {"epoch": first + m.epoch, "stage": number} for m in result.history]
        before = copy.deepcopy(model)
    assert result is not None
    assert result.best is not None
    chosen = len(curve) - len(result.history) + result.best.epoch
    if arm.reestimate:
        training.reestimate_batch_norm(model, splits.train, result.preprocessing, seed=seed)
    size, verification = _pack(model, splits, result.preprocessing, folder / "model.grove")
    return Outcome(
        arm=arm.name,
        seed=seed,
        test_accuracy=_accuracy(model, splits.test, result.preprocessing),
        validation_accuracy=_accuracy(model, splits.validation, result.preprocessing),
        best_epoch=chosen,
        epochs=len(curve),
        seconds=sum(row["seconds"] for row in curve),
        packed_bytes=size,
        verification=verification,
        curve=curve,
        settings=settings,
    )


def _train_stage(
    model: nn.Module,
    stage: Stage,
    epochs: int,
    seed: int,
    splits: Splits,
    folder: Path,
    options: StudyOptions,
    teacher: nn.Module | None,
) -> FitResult:
    config = replace(options.apply(stage.config), epochs=epochs, seed=seed)
    begun = (folder / "checkpoints" / "last.ckpt").exists()
    result = training.fit(
        model,
        splits.train,
        splits.validation,
        folder,
        config,
        preprocessing=_preprocessing(stage, splits.train),
        teacher=teacher,
        bits=True,
        threads=options.threads,
        resume=options.resume and begun,
        overwrite=not options.resume,
        progress=not options.quiet,
    )
    if result.interrupted or result.best is None:
        raise InterruptedRunError(f"interrupted, epochs done: {result.epochs}; --resume goes on")
    return result


def _preprocessing(stage: Stage, train: ImageData) -> Preprocessing:
    standard = train.preprocessing()
    if not stage.signed_pixels:
        return standard
    halves = (0.5,) * standard.channels
    return replace(standard, mean=halves, std=halves)


def _epochs(arm: Arm, total: int) -> list[int]:
    """The stages' parts of the epochs, at least one each."""
    parts = [max(1, round(stage.share * total)) for stage in arm.stages]
    parts[-1] = max(1, total - sum(parts[:-1]))
    return parts


def _accuracy(model: nn.Module, data: ImageData, preprocessing: Preprocessing) -> float:
    logits = training.evaluate(model, data, preprocessing)
    return float((logits.argmax(1) == data.labels).mean())


def _pack(
    model: nn.Module, splits: Splits, preprocessing: Preprocessing, path: Path
) -> tuple[int, str]:
    """Write the packed network and prove that it is the same."""
    pixels = preprocessing.normalise(splits.validation.images[:_VERIFIED])
    artifact = export.pack(
        model,
        torch.from_numpy(pixels[:1]),
        labels=splits.train.classes,
        preprocessing=preprocessing,
    )
    found = export.verify(model, artifact, pixels)
    if not found.equal():
        raise RuntimeError(f"the packed network differs from torch's: {found}")
    artifact.save(path)
    return path.stat().st_size, str(found)


def _settings(plan: Plan, arm: Arm, scale: Scale, options: StudyOptions) -> dict[str, Any]:
    return {
        "dataset": plan.dataset,
        "width": scale.width,
        "epochs": _epochs(arm, scale.epochs_of(arm)),
        "reestimate": arm.reestimate,
        "stages": [
            {
                "config": plain(options.apply(stage.config)),
                "model": _hash_of(stage.create(scale.width)),
                "signed_pixels": stage.signed_pixels,
                "inherit": stage.inherit,
                "teach": stage.teach,
            }
            for stage in arm.stages
        ],
    }


def _hash_of(model: nn.Module) -> str:
    """Tells one architecture, options included, from another."""
    shapes = [(name, tuple(value.shape)) for name, value in model.state_dict().items()]
    return hashlib.sha256(f"{model}{shapes}".encode()).hexdigest()


def _done(path: Path, settings: dict[str, Any]) -> Outcome | None:
    """The outcome of an earlier run, if it is there.

    Raises:
        ValueError: it was made with other settings.
    """
    if not path.is_file() or not path.with_name("model.grove").is_file():
        return None
    outcome = Outcome.load(path)
    different = differences(outcome.settings, settings)
    if different:
        raise ValueError(
            f"{path} was made with other settings: {'; '.join(different)}. Resume with those, or "
            "--overwrite the run"
        )
    return outcome


def protocol_of(
    plan: Plan, splits: Splits, scale: Scale, options: StudyOptions, command: str
) -> dict[str, Any]:
    """What a reader must know to compare a figure."""
    configs = [options.apply(stage.config) for arm in plan.arms for stage in arm.stages]
    return {
        "study": plan.name,
        "dataset": plan.dataset,
        "split": (
            f"{len(splits.train)} to train, {len(splits.validation)} chose the epoch, "
            f"{len(splits.test)} tested once"
        ),
        "width": scale.width,
        "epochs": scale.epochs or [arm.epochs for arm in plan.arms],
        "batch_size": sorted({config.batch_size for config in configs}),
        "precision": sorted({config.precision for config in configs}),
        "seeds": list(options.seeds),
        "torch": torch.__version__,
        "command": command,
    }
