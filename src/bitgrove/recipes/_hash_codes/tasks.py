"""Data sets as features under the two protocols."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ... import data
from ...data import ImageData
from ...metrics import Protocol, Relevance, protocol
from ...search import Flat
from ._study import Rows, Task

SH_BDNN = protocol("sh-bdnn")
NEIGHBOURS = protocol("uh-bdnn").neighbours or 0
"""Right answers of a query without labels."""

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


def by_labels(name: str, features: Features, said: str, table: Protocol | None = SH_BDNN) -> Task:
    """Right are the rows of the same class; :func:`drawn` says which rows are learnt from."""
    whole = gallery(name)
    queries = data.load(name, split="test")
    held, asked = features(whole.images), features(queries.images)
    rows = drawn(whole.labels, table)
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


def drawn(labels: npt.NDArray[np.int64], table: Protocol | None = SH_BDNN) -> npt.NDArray[np.int64]:
    """Rows that a table teaches or chooses by, shuffled; the same for every seed.

    A method that sees when to stop sets rows of them apart itself. Without a table, all rows.
    """
    random = np.random.default_rng(0)
    rows = np.arange(len(labels))
    if table is not None:
        split = table.split(labels, labels[:1], seed=random)  # whatever the test images are
        classes = len(np.unique(labels))
        parts = [each.reshape(classes, -1) for each in (split.train, split.validation)]
        rows = np.concatenate(parts, axis=1).ravel()
    return random.permutation(rows)


def gallery(name: str) -> ImageData:
    """All pictures that are not of the test part."""
    parts = [data.load(name, split="train"), data.load(name, split="validation")]
    return ImageData(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
        parts[0].classes,
        tuple(name for part in parts for name in part.names),
    )
