"""Locality-sensitive hashing: the sides of random hyperplanes."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from ._checks import check_flag
from ._encoder import Features, HashEncoder
from ._rows import Matrix, mean_of


@final
class LSH(HashEncoder):
    """On which side of random hyperplanes a row lies.

    The bits of two rows differ with probability angle / π, for any number of features: the share of
    differing bits estimates the angle. It learns nothing but the mean, and needs many bits.

    Source: Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002.

    Args:
        bits: length of a code.
        centred: hyperplanes pass through the mean of the training rows, so that both sides are
            about as full; else through the origin, and angles are those at the origin.
        random_state: of the hyperplanes.

    Attributes:
        mean_: ``(features,)``, of the training rows; zeros if not ``centred``.
        normals_: of the hyperplanes, ``(bits, features)``.

    >>> from bitgrove.hashing import LSH
    >>> rows = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    >>> lsh = LSH(bits=1000, centred=False, random_state=0).fit(rows)
    >>> first, second, third = np.unpackbits(lsh.encode(rows), axis=1, count=1000)
    >>> float((first != second).mean()), float((first != third).mean())
    (0.474, 1.0)
    """

    mean_: Matrix
    normals_: Matrix

    def __init__(
        self,
        bits: int = 32,
        *,
        centred: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.bits = bits
        self.centred = centred
        self.random_state = random_state

    def _learn(self, features: Features, labels: npt.NDArray | None) -> None:
        check_flag(centred=self.centred)
        random = check_random_state(self.random_state)
        width = features.shape[1]
        self.mean_ = mean_of(features) if self.centred else np.zeros(width)
        self.normals_ = random.standard_normal((self.bits, width))

    def _project(self, rows: Matrix) -> Features:
        return (rows - self.mean_) @ self.normals_.T
