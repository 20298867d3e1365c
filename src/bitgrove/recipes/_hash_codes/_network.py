"""Features of a network that is trained here, on pictures that no hash method learns from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ... import training
from ...data import ImageData
from .._embedding import Embedder, train_embedding
from ._study import Rows
from .tasks import Features, drawn, gallery

NETWORK = "128 features of a network trained on 17,100 other pictures"
"""What a page says of them."""

EPOCHS = 16
WIDTH = 32
_CHOOSE = 10
"""One of so many of the network's own pictures chooses the epoch."""


def network_features(name: str, folder: Path) -> Features:
    """Train a small real network once, keep it in ``folder``, and describe pictures by it.

    It learns to classify the pictures of the gallery that are not among the rows of
    :func:`tasks.by_labels`, so that neither these nor the queries were seen by it.

    Returns:
        Takes ``uint8[n, h, w, c]`` and gives 128 features each.
    """
    held = gallery(name)
    taken = np.zeros(len(held), bool)
    taken[drawn(held.labels)] = True
    own = held.select(~taken)
    chooses = np.arange(len(own)) % _CHOOSE == 0
    model, preprocessing = train_embedding(
        own.select(~chooses), own.select(chooses), folder,
        seed=0, width=WIDTH, epochs=EPOCHS, resume=True,
    )  # fmt: skip
    embedder = Embedder(model)

    def describe(images: npt.NDArray[np.uint8]) -> Rows:
        names = tuple(map(str, range(len(images))))
        some = ImageData(images, np.zeros(len(images), np.int64), held.classes, names)
        return training.evaluate(embedder, some, preprocessing)

    return describe
