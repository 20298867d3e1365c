"""The split that papers call CIFAR-10 with 5,000 training images."""

from __future__ import annotations

from typing import NamedTuple

from ...data import ImageData
from ...metrics import Protocol, protocol

PROTOCOL = protocol("cifar10-1")
VALIDATION = 50
"""Of each class' training images, those that choose the backbone's epoch."""


class RetrievalSplit(NamedTuple):
    """Parts of one data set; training and validation images are in the database too."""

    train: ImageData
    validation: ImageData
    query: ImageData
    database: ImageData


def divided(
    images: ImageData, seed: int, *, table: Protocol = PROTOCOL, validation: int = VALIDATION
) -> RetrievalSplit:
    """The protocol's parts, and some of the images that may be learnt set apart.

    With CIFAR-10's 60,000 images of both official parts: 1,000 queries, 59,000 in the database, and
    among these 5,000 with labels that may be learnt, of which 500 choose the epoch.

    Args:
        images: all of them.
        seed: of the draw.
        table: draws as many images of each class to learn from.
        validation: of each class.
    """
    split = table.split(images.labels, seed=seed)
    learnt = split.train.reshape(len(images.classes), -1)
    return RetrievalSplit(
        images.select(learnt[:, :-validation].ravel()),
        images.select(learnt[:, -validation:].ravel()),
        images.select(split.query),
        images.select(split.database),
    )
