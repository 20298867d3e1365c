"""One run of the recipe: train, harden, measure soft and hard."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ... import export, models, nn, training
from ...data import ImageData, Splits
from ...jobs import InterruptedRunError
from ...runtime import Preprocessing, Session
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
        outcome["packed"] = pack_trees(model, splits, preprocessing, folder / "model.grove")
    return outcome


def pack_trees(
    model: torch.nn.Module, splits: Splits, preprocessing: Preprocessing, path: Path
) -> dict[str, Any]:
    """Write the hard trees as a packed model, and compare it with torch's on the test images.

    Rounding may turn a split whose input is all but 0, and with it the leaf; so images are counted.

    Returns:
        The file's ``bytes``, and the shares of the test images with the ``same_answer`` and with
        ``equal`` probabilities, to 1e-5.
    """
    trees = nn.harden(model)
    test = splits.test
    example = torch.from_numpy(preprocessing.normalise(test.images[:1]))
    artifact = export.pack(trees, example, labels=splits.train.classes, preprocessing=preprocessing)
    artifact.save(path)
    session = Session(artifact)
    parts = [
        session.run(preprocessing.normalise(test.images[start : start + 512]))
        for start in range(0, len(test), 512)
    ]
    packed, ours = np.concatenate(parts), training.evaluate(trees, test, preprocessing)
    return {
        "bytes": path.stat().st_size,
        "same_answer": float((packed.argmax(1) == ours.argmax(1)).mean()),
        "equal": float((np.abs(packed - ours).max(1) < 1e-5).mean()),
    }
