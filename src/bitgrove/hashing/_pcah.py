"""Principal component hashing: signs of the first principal components."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt

from ._encoder import Features, HashEncoder
from ._principal import Matrix, check_axes, principal_axes


@final
class PCAH(HashEncoder):
    """Signs of the first ``bits`` principal components.

    The simplest learnt code, and what ITQ begins with: a bit for each component, however little
    the later ones vary. It needs no random numbers.

    Args:
        bits: length of a code, at most the number of features.

    Attributes:
        mean_: of the training rows, ``(features,)``.
        components_: ``(bits, features)``, orthonormal; the largest element of each is positive.

    >>> from bitgrove.hashing import PCAH
    >>> rows = np.array([[2.0, 1.0], [-2.0, -1.0], [2.0, -1.0], [-2.0, 1.0]])
    >>> np.unpackbits(PCAH(bits=2).fit(rows).encode(rows), axis=1, count=2)
    array([[1, 1],
           [0, 0],
           [1, 0],
           [0, 1]], dtype=uint8)
    """

    mean_: npt.NDArray[np.float64]
    components_: npt.NDArray[np.float64]

    def __init__(self, bits: int = 32) -> None:
        self.bits = bits

    def _learn(self, features: Features, labels: npt.NDArray | None) -> None:
        check_axes("PCAH", self.bits, features.shape[1])
        self.mean_, self.components_ = principal_axes(features, self.bits)

    def _project(self, rows: Matrix) -> Features:
        return (rows - self.mean_) @ self.components_.T
