"""GreedyHash over features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from torch import nn

from ._greedy_hash_loss import GreedyHashLoss
from ._head_training import Optimizer
from ._torch_encoder import TorchEncoder


@final
class GreedyHash(TorchEncoder):
    """Codes that a linear classifier of signs can use, learnt straight through the signs.

    A small network over features, trained with :class:`GreedyHashLoss`.

    Source: Su, Zhang, Han and Tian, "Greedy Hash: Towards Fast Optimization for Accurate Hash
    Coding in CNN", NeurIPS 2018.

    Args:
        bits: length of a code, at least 1.
        hidden: sizes of hidden layers with ReLU; none for linear codes.
        alpha: of the loss.
        epochs: passes over the rows, at least 1.
        batch_size: rows a step, at least 2.
        lr: learning rate at the start; it falls linearly to 0.
        weight_decay: 0 or more.
        optimizer: ``"adam"`` (its decay decoupled) or ``"sgd"`` with momentum 0.9.
        random_state: of weights and batches.

    Attributes:
        classes_: the labels, sorted.
        loss_curve_: mean loss of every epoch.

    >>> X, y = np.array([[0.0, 0], [0, 1], [8, 8], [9, 8]]), [0, 0, 1, 1]
    >>> GreedyHash(bits=12, hidden=(8,), batch_size=4).fit(X, y).encode(X).shape
    (4, 2)
    """

    def __init__(
        self,
        bits: int = 32,
        *,
        hidden: Sequence[int] = (256,),
        alpha: float = 0.1,
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
        self.alpha = alpha

    def _make_loss(self, classes: int, seed: int) -> nn.Module:
        return GreedyHashLoss(self.bits, classes, alpha=self.alpha)
