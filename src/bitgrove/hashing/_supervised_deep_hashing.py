"""Supervised deep hashing: deep hashing whose outputs also tell the classes apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import numpy.typing as npt
import torch

from ._checks import check_not_negative
from ._classes import numbered
from ._dh_encoder import TanhEncoder
from ._dh_objective import Pairs


@final
class SupervisedDeepHashing(TanhEncoder):
    """:class:`DeepHashing` that moves rows of one class together and others apart.

    Its objective loses ``variance/2 · separation · tr(S_B - S_W)`` more, where ``S_W`` is the mean
    of ``(h_i - h_j)(h_i - h_j)'`` over pairs of rows of one class and ``S_B`` that over pairs of
    rows of two. All pairs are in it: both traces follow from sums over classes, so none is drawn.

    Source: Liong, Lu, Wang, Moulin and Zhou, "Deep Hashing for Compact Binary Codes Learning", CVPR
    2015, as SDH, which is not the supervised discrete hashing of Shen et al. What differs is said
    at :class:`DeepHashing`, but for factors, which were chosen with labels.

    Args:
        bits: length of a code.
        hidden: widths of the layers before the last, as in :class:`DeepHashing`.
        variance: of the outputs, and with them of the separation.
        separation: of the classes, in units of ``variance``.
        orthogonality: of the rows of each ``W``.
        decay: of weights and biases.
        centred: False: variance about 0, as the paper writes it.
        iterations: of L-BFGS, which ends earlier when nothing changes.

    Attributes:
        classes_: the labels, sorted, at least 2.
        mean_: of the training rows, ``(features,)``.
        scale_: what centred rows are multiplied by.
        layers_: pairs of a weight ``(inputs, outputs)`` and a bias, tanh after each.
        objective_: at the start, and after every evaluation that was the best so far.

    >>> from bitgrove.hashing import SupervisedDeepHashing
    >>> labels = np.repeat([0, 1, 2], 30)
    >>> rows = np.random.default_rng(0).normal(size=(90, 4)) + 6 * np.eye(3, 4)[labels]
    >>> hasher = SupervisedDeepHashing(bits=6, hidden=[6]).fit(rows, labels)
    >>> len({code.tobytes() for code in hasher.encode(6 * np.eye(3, 4))})
    3
    """

    classes_: npt.NDArray

    def __init__(
        self,
        bits: int = 32,
        *,
        hidden: Sequence[int] | None = None,
        variance: float = 10.0,
        separation: float = 1.0,
        orthogonality: float = 100.0,
        decay: float = 1e-5,
        centred: bool = True,
        iterations: int = 100,
    ) -> None:
        self.bits = bits
        self.hidden = hidden
        self.variance = variance
        self.separation = separation
        self.orthogonality = orthogonality
        self.decay = decay
        self.centred = centred
        self.iterations = iterations

    @property
    def _needs_labels(self) -> bool:
        return True

    def _pairs(self, labels: npt.NDArray | None) -> tuple[Pairs | None, float]:
        check_not_negative(separation=self.separation)
        self.classes_, numbers = numbered("SupervisedDeepHashing", labels)
        pairs = Pairs(torch.from_numpy(numbers.astype(np.int64)), len(self.classes_))
        return pairs, float(self.separation)
