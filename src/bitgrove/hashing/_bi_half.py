"""Bi-half hashing over features, without labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from torch import nn

from ._bi_half_loss import BiHalfLoss
from ._head_training import Optimizer
from ._torch_encoder import TorchEncoder


@final
class BiHalf(TorchEncoder):
    """Balanced codes that keep the cosines of the features; needs no labels.

    A small network over features, trained with :class:`BiHalfLoss`: in training each bit halves the
    batch, while the codes of :meth:`encode` are plain signs, so that a row has the same code in any
    company. The cosines are those of centred features.

    Source: Li and van Gemert, "Deep Unsupervised Image Hashing by Maximizing Bit Entropy", AAAI
    2021. There the cosines are those of a network's features as they are.

    Args:
        bits: length of a code, at least 1.
        hidden: sizes of hidden layers with ReLU; none for linear codes.
        gamma: of the loss.
        epochs: passes over the rows, at least 1.
        batch_size: rows a step, at least 2.
        lr: learning rate at the start; it falls linearly to 0.
        weight_decay: 0 or more.
        optimizer: ``"adam"`` (its decay decoupled) or ``"sgd"`` with momentum 0.9.
        random_state: of weights and batches.

    Attributes:
        loss_curve_: mean loss of every epoch.

    >>> X = np.random.default_rng(0).normal(size=(64, 5))
    >>> BiHalf(bits=9, epochs=2).fit(X).encode(X).shape
    (64, 2)
    """

    def __init__(
        self,
        bits: int = 32,
        *,
        hidden: Sequence[int] = (),
        gamma: float = 6.0,
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
        self.gamma = gamma

    @property
    def _needs_labels(self) -> bool:
        return False

    def _make_loss(self, classes: int, seed: int) -> nn.Module:
        return BiHalfLoss(self.bits, gamma=self.gamma)
