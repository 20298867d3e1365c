"""The data of ``trees.py``: pictures as rows of float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

import bitgrove as bg

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Task:
    """A split of one data set; ``test`` is for the figures beside the times alone."""

    name: str
    train: Rows
    labels: npt.NDArray[np.int64]
    test: Rows
    test_labels: npt.NDArray[np.int64]


def load(name: str, rows: int) -> Task:
    """Pictures by name, never scaled.

    ``digits``: 8x8 pixels, a third for testing. ``mnist``, ``fashion-mnist``: all pixels.
    ``mnist-pca``, ``fashion-mnist-pca``: 64 components of the training pictures. Of the MNISTs the
    first ``rows`` of the training pictures and all test pictures.
    """
    if name == "digits":
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(x))
        x, y = x[order].astype(np.float32), y[order]
        cut = len(x) * 2 // 3
        return Task(name, x[:cut], y[:cut], x[cut:], y[cut:])
    train, test = (bg.data.load(name.removesuffix("-pca"), split=s) for s in ("train", "test"))
    x, y = _flat(train.images[:rows]), np.asarray(train.labels[:rows])
    z, w = _flat(test.images), np.asarray(test.labels)
    if name.endswith("-pca"):
        pca = PCA(64, svd_solver="randomized", random_state=0).fit(x)
        x, z = pca.transform(x).astype(np.float32), pca.transform(z).astype(np.float32)
    return Task(name, np.ascontiguousarray(x), y, np.ascontiguousarray(z), w)


def _flat(images: npt.NDArray[np.uint8]) -> Rows:
    return images.reshape(len(images), -1).astype(np.float32)
