"""Data sets as features under the two protocols."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ... import data
from ...data import ImageData
from ...metrics import Relevance
from ...search import Flat
from ._study import Rows, Task

NEIGHBOURS = 50
"""Right answers of a query without labels."""

PER_CLASS = 3000
"""Training rows of every class with labels, at most."""

APART = 100

Features = Callable[[npt.NDArray[np.uint8]], Rows]


def pixels(images: npt.NDArray[np.uint8]) -> Rows:
    """Grey values from 0 to 1."""
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def by_neighbours(name: str, features: Features, said: str, rows: int | None = None) -> Task:
    """Right are the nearest rows of the gallery by Euclidean distance; everything is learnt from.

    Gallery and training rows are those of the training and validation parts, queries the test's.
    ``rows`` takes so many of the gallery, by chance, the same for every seed.
    """
    images = gallery(name).images
    if rows is not None:
        images = images[np.random.default_rng(0).permutation(len(images))[:rows]]
    held, asked = features(images), features(data.load(name, split="test").images)
    index = Flat(held.shape[1], "l2", "float32")
    index.add(held)
    near = index.search(asked, min(NEIGHBOURS, len(held))).ids
    return Task(
        train=held,
        labels=None,
        gallery=held,
        queries=asked,
        relevant=Relevance.from_neighbours(near),
        about={"features": said, "gallery": len(held), "queries": len(asked)},
    )


def by_labels(name: str, features: Features, said: str, per_class: int = PER_CLASS) -> Task:
    """Right are the rows of the same class; ``per_class`` rows and some more are learnt from.

    The rows more, :data:`APART` of each class, are for a method to see when to stop.
    """
    whole = gallery(name)
    queries = data.load(name, split="test")
    held, asked = features(whole.images), features(queries.images)
    rows = drawn(whole.labels, per_class + APART)
    return Task(
        train=held[rows],
        labels=whole.labels[rows],
        gallery=held,
        queries=asked,
        relevant=Relevance.from_labels(queries.labels, whole.labels),
        about={
            "features": said,
            "gallery": len(held),
            "queries": len(asked),
            "train": len(rows),
        },
    )


def drawn(labels: npt.NDArray[np.int64], per_class: int) -> npt.NDArray[np.int64]:
    """Up to ``per_class`` rows of every class, by chance, the same for every seed."""
    random = np.random.default_rng(0)
    rows = [
        random.permutation(np.flatnonzero(labels == each))[:per_class] for each in np.unique(labels)
    ]
    return random.permutation(np.concatenate(rows))


def gallery(name: str) -> ImageData:
    """All pictures that are not of the test part."""
    parts = [data.load(name, split="train"), data.load(name, split="validation")]
    return ImageData(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
        parts[0].classes,
        tuple(name for part in parts for name in part.names),
    )
