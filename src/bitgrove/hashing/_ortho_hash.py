"""OrthoHash over features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from torch import nn

from ._head_training import Optimizer
from ._ortho_hash_loss import OrthoHashLoss
from ._torch_encoder import TorchEncoder


@final
class OrthoHash(TorchEncoder):
    """Codes at a small angle to the centre of their class, by one loss.

    A small network over features whose outputs are batch-normalised, which balances the bits;
    trained with :class:`OrthoHashLoss`. The batch norm has no scale and shift of its own, and ends
    with the statistics of all training rows.

    Source: Hoe et al., "One Loss for All: Deep Hashing with a Single Cosine Similarity based
    Learning Objective", NeurIPS 2021.

    Args:
        bits: length of a code, at least 1.
        hidden: sizes of hidden layers with ReLU; none for linear codes.
        margin: of the loss.
        scale: of the loss; None for ``sqrt(bits)``.
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
    >>> OrthoHash(bits=12, hidden=(8,), batch_size=4).fit(X, y).encode(X).shape
    (4, 2)
    """

    def __init__(
        self,
        bits: int = 32,
        *,
        hidden: Sequence[int] = (256,),
        margin: float = 0.2,
        scale: float | None = None,
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
        self.margin = margin
        self.scale = scale

    def _make_loss(self, classes: int, seed: int) -> nn.Module:
        return OrthoHashLoss(self.bits, classes, margin=self.margin, scale=self.scale, seed=seed)

    def _make_head(self, features: int) -> list[nn.Module]:
        # A bias before a batch norm would do nothing.
        return [nn.Linear(features, self.bits, bias=False), nn.BatchNorm1d(self.bits, affine=False)]
