"""Deep Supervised Hashing over features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from torch import nn

from ._dsh_loss import DSHLoss
from ._head_training import Optimizer
from ._torch_encoder import TorchEncoder


@final
class DSH(TorchEncoder):
    """Codes that are near for rows of one class and far for others.

    A small network over features, trained with :class:`DSHLoss` over all pairs of each batch. For
    images, put the loss on a network: :class:`HashNetwork`.

    Source: Liu, Wang, Shan and Chen, "Deep Supervised Hashing for Fast Image Retrieval", CVPR 2016.
    Theirs is a convolutional network and SGD; here features come from anywhere.

    Args:
        bits: length of a code, at least 1.
        hidden: sizes of hidden layers with ReLU; none for linear codes.
        margin: of the loss; None for ``2 * bits``.
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
    >>> encoder = DSH(bits=12, hidden=(8,), batch_size=4, epochs=200, lr=0.01).fit(X, y)
    >>> codes = encoder.encode(X)
    >>> bool((codes[0] == codes[1]).all() and (codes[0] != codes[2]).any())
    True
    """

    def __init__(
        self,
        bits: int = 32,
        *,
        hidden: Sequence[int] = (256,),
        margin: float | None = None,
        alpha: float = 0.01,
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
        self.alpha = alpha

    @property
    def _several_labels(self) -> bool:
        return True

    def _make_loss(self, classes: int, seed: int) -> nn.Module:
        return DSHLoss(self.bits, margin=self.margin, alpha=self.alpha)
