"""The split that papers call CIFAR-10 with 5,000 training images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...data import ImageData


class RetrievalSplit(NamedTuple):
    """Parts of one data set; training and validation images are in the database too."""

    train: ImageData
    validation: ImageData
    query: ImageData
    database: ImageData


def cifar10_1(
    images: ImageData,
    seed: int,
    *,
    queries: int = 100,
    train: int = 450,
    validation: int = 50,
) -> RetrievalSplit:
    """Of every class some queries at random, of the rest some to train on; the rest is searched.

    With CIFAR-10's 60,000 images of both official parts: 1,000 queries, 59,000 in the database, and
    among these 5,000 with labels that may be learnt, of which 500 choose the epoch.

    Args:
        images: all of them.
        seed: of the draw.
        queries: of each class.
        train: of each class.
        validation: of each class.
    """
    random = np.random.default_rng(seed)
    parts: tuple[list[int], ...] = ([], [], [])
    for label in range(len(images.classes)):
        rows = random.permutation(np.flatnonzero(images.labels == label))
        ends = np.cumsum([queries, train, validation])
        for part, own in zip(parts, np.split(rows, ends)[:3], strict=True):
            part.extend(own.tolist())
    asked = np.zeros(len(images), bool)
    asked[parts[0]] = True
    return RetrievalSplit(
        images.select(parts[1]), images.select(parts[2]), images.select(asked),
        images.select(~asked),
    )  # fmt: skip
