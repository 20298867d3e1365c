"""One backbone for all methods, trained once, and the features that it gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ... import training
from ...files import replacing
from ...runtime import Preprocessing
from ...training import Batches
from .._embedding import SHIFT, Embedder, train_embedding
from ._split import RetrievalSplit

BACKBONE_EPOCHS = 40
COPIES = 8
"""Of each training image, shifted and mirrored at random."""


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
    model, preprocessing = train_embedding(
        split.train, split.validation, folder, seed=seed, width=width, epochs=epochs, resume=resume
    )
    path = folder / "features.npz"
    if not (resume and path.is_file()):
        with replacing(path) as file:
            found: dict[str, Any] = _measure(model, split, preprocessing, seed)
            np.savez(file, **found)
    with np.load(path) as kept:
        return Features(**{name: kept[name] for name in Features.__slots__})


def _measure(
    model: Any, split: RetrievalSplit, preprocessing: Preprocessing, seed: int
) -> dict[str, npt.NDArray]:
    side = int(SHIFT * split.train.images.shape[1])
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
        found[name] = training.evaluate(Embedder(model), part, preprocessing)
        with torch.no_grad():
            logits = model.head(torch.from_numpy(found[name]))
        found[f"{name}_classes"] = logits.argmax(1).numpy()
    return found
