"""A small real network that is trained to classify, and then gives features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import models, training
from ..data import ImageData
from ..jobs import InterruptedRunError
from ..runtime import Preprocessing
from ..training import Gradient, Linear, Method, TrainingConfig

RATE = 2e-3
"""Adam's, falling linearly to 0."""
SHIFT = 0.125
"""Of a picture's side, at most, in training; mirrored at random too."""


def train_embedding(
    train: ImageData,
    validation: ImageData,
    folder: Path,
    *,
    seed: int,
    width: int,
    epochs: int,
    resume: bool,
) -> tuple[Any, Preprocessing]:
    """Train the real twin of ``birealnet_small`` with a stem of stride 2; validation chooses.

    Its ``embed`` gives ``4 * width`` features.

    Raises:
        InterruptedRunError: Ctrl-C; ``resume`` goes on.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = models.create(
            "birealnet_small",
            in_channels=train.images.shape[3],
            num_classes=len(train.classes),
            width=width,
            blocks=(1, 2, 2),
            stem_stride=2,
            real=True,
        )
    method = Method(real=Gradient(kind="adam", lr=Linear(RATE)))
    config = TrainingConfig(epochs=epochs, method=method, flip=True, shift=SHIFT, seed=seed)
    begun = (folder / "checkpoints" / "last.ckpt").exists()
    result = training.fit(
        model, train, validation, folder, config, accelerator="cpu",
        resume=resume and begun, overwrite=not resume, progress=False,
    )  # fmt: skip
    if result.interrupted or result.best is None:
        raise InterruptedRunError(f"interrupted, epochs done: {result.epochs}; --resume goes on")
    return model, result.preprocessing


class Embedder(nn.Module):
    """A model's features as its answer."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map ``(n, c, h, w)`` to ``(n, d)``."""
        return self.model.embed(images)
