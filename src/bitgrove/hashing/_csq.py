"""Central similarity quantisation over features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from torch import nn

from ._csq_loss import CSQLoss
from ._head_training import Optimizer
from ._torch_encoder import TorchEncoder


@final
class CSQ(TorchEncoder):
    """Codes near the centre of their class; centres differ in half of their bits.

    A small network over features, trained with :class:`CSQLoss` towards the codes of
    :func:`hash_centres`.

    Source: Yuan et al., "Central Similarity Quantization for Efficient Image and Video Retrieval",
    CVPR 2020.

    Args:
        bits: length of a code, at least 1.
        hidden: sizes of hidden layers with ReLU; none for linear codes.
        quantisation: of the loss.
        epochs: passes over the rows, at least 1.
        batch_size: rows a step, at least 2.
        lr: learning rate at the start; it falls linearly to 0.
        weight_decay: 0 or more.
        optimizer: ``"adam"`` (its decay decoupled) or ``"sgd"`` with momentum 0.9.
        random_state: of weights, batches and which class has which centre.

    Attributes:
        classes_: the labels, sorted.
        loss_curve_: mean loss of every epoch.

    >>> X, y = np.array([[0.0, 0], [0, 1], [8, 8], [9, 8]]), [0, 0, 1, 1]
    >>> encoder = CSQ(bits=12, hidden=(8,), batch_size=4, epochs=200, lr=0.01).fit(X, y)
    >>> a, b = encoder.encode(X)[[0, 3]]
    >>> int(np.unpackbits(a ^ b).sum())
    6
    """

    def __init__(
        self,
        bits: int = 32,
        *,
        hidden: Sequence[int] = (256,),
        quantisation: float = 1e-4,
        epochs: int = 30,
        batch_size: int = 128,
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        optimizer: Optimizer = "adam",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        super().__init__(
            bits, hidden, epochs, batch_size, lr, weight_decay, optimizer, random_state
        )
        self.quantisation = quantisation

    def _make_loss(self, classes: int, seed: int) -> nn.Module:
        return CSQLoss(self.bits, classes, quantisation=self.quantisation, seed=seed)
