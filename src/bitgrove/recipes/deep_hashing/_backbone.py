"""One backbone for all methods, trained once, and the features that it gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ... import models, training
from ...files import replacing
from ...jobs import InterruptedRunError
from ...runtime import Preprocessing
from ...training import Batches, Gradient, Linear, Method, TrainingConfig
from ._split import RetrievalSplit

RATE = 2e-3
"""Adam's, falling linearly to 0."""
BACKBONE_EPOCHS = 40
COPIES = 8
"""Of each training image, shifted and mirrored at random."""
_SHIFT = 0.125


@dataclass(frozen=True, slots=True)
class Features:
    """What the frozen backbone gives, ``float32[n, d]`` each, and the classes it would name."""

    train: npt.NDArray[np.float32]
    train_labels: npt.NDArray[np.int64]
    query: npt.NDArray[np.float32]
    query_classes: npt.NDArray[np.int64]
    database: npt.NDArray[np.float32]
    database_classes: npt.NDArray[np.int64]


def features(
    split: RetrievalSplit, folder: Path, *, seed: int, width: int, epochs: int, resume: bool
) -> Features:
    """Train a small residual network to classify the training images, and freeze it.

    Validation chooses the epoch. The training images' features are of :data:`COPIES` random shifts
    and mirrors of each; those of queries and database, of the images as they are.
    """
    shape = split.train.images.shape
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = models.create(
            "birealnet_small",
            in_channels=shape[3],
            num_classes=len(split.train.classes),
            width=width,
            blocks=(1, 2, 2),
            stem_stride=2,
            real=True,
        )
    method = Method(real=Gradient(kind="adam", lr=Linear(RATE)))
    config = TrainingConfig(epochs=epochs, method=method, flip=True, shift=_SHIFT, seed=seed)
    begun = (folder / "checkpoints" / "last.ckpt").exists()
    result = training.fit(
        model, split.train, split.validation, folder, config, accelerator="cpu",
        resume=resume and begun, overwrite=not resume, progress=False,
    )  # fmt: skip
    if result.interrupted or result.best is None:
        raise InterruptedRunError(f"interrupted, epochs done: {result.epochs}; --resume goes on")
    path = folder / "features.npz"
    if not (resume and path.is_file()):
        with replacing(path) as file:
            found: dict[str, Any] = _measure(model, split, result.preprocessing, seed)
            np.savez(file, **found)
    with np.load(path) as kept:
        return Features(**{name: kept[name] for name in Features.__slots__})


def _measure(
    model: Any, split: RetrievalSplit, preprocessing: Preprocessing, seed: int
) -> dict[str, npt.NDArray]:
    side = int(_SHIFT * split.train.images.shape[1])
    shaken = Batches(
        split.train, preprocessing, batch_size=512, shuffle=True, seed=seed, shift=(side, side),
        flip=True,
    )  # fmt: skip
    rows, labels = [], []
    with torch.no_grad():
        for shaken.epoch in range(COPIES):
            for images, own in shaken:
                rows.append(model.embed(images).numpy())
                labels.append(own.numpy())
    found = {"train": np.concatenate(rows), "train_labels": np.concatenate(labels)}
    for name, part in (("query", split.query), ("database", split.database)):
        found[name] = training.evaluate(_Embedder(model), part, preprocessing)
        with torch.no_grad():
            logits = model.head(torch.from_numpy(found[name]))
        found[f"{name}_classes"] = logits.argmax(1).numpy()
    return found


class _Embedder(nn.Module):
    """A model's features as its answer."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map ``(n, c, h, w)`` to ``(n, d)``."""
        return self.model.embed(images)
