"""Triplet ranking with a divide-and-encode head, over features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from torch import nn

from ._checks import check_whole
from ._divide_and_encode import DivideAndEncode
from ._head_training import Optimizer
from ._torch_encoder import TorchEncoder
from ._triplet_loss import TripletHashLoss


@final
class TripletHashing(TorchEncoder):
    """NINH: codes in which rows of one class are nearer than others, by triplets.

    After the hidden layers one more, with ReLU, has ``slice_width`` features for each bit, and
    :class:`DivideAndEncode` makes the bit of its own slice alone. Trained with
    :class:`TripletHashLoss` over all triplets of each batch.

    Source: Lai, Pan, Liu and Yan, "Simultaneous Feature Learning and Hash Coding with Deep Neural
    Networks", CVPR 2015. Theirs is a convolutional network and SGD; here features come from
    anywhere.

    Args:
        bits: length of a code, at least 1.
        hidden: sizes of hidden layers with ReLU; the slices come after them.
        slice_width: features that a bit is made of, at least 1; 50 in the source.
        margin: of the loss, in bits.
        epsilon: of the threshold in the loss.
        straight_through: whether gradients pass the threshold.
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
    >>> encoder = TripletHashing(bits=5, slice_width=4, batch_size=4, lr=0.01).fit(X, y)
    >>> encoder.encode(X).shape
    (4, 1)
    """

    def __init__(
        self,
        bits: int = 32,
        *,
        hidden: Sequence[int] = (),
        slice_width: int = 50,
        margin: float = 1.0,
        epsilon: float = 0.1,
        straight_through: bool = False,
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
        self.slice_width = slice_width
        self.margin = margin
        self.epsilon = epsilon
        self.straight_through = straight_through

    @property
    def _several_labels(self) -> bool:
        return True

    def _make_loss(self, classes: int, seed: int) -> nn.Module:
        return TripletHashLoss(
            self.bits,
            margin=self.margin,
            epsilon=self.epsilon,
            straight_through=self.straight_through,
        )

    def _make_head(self, features: int) -> list[nn.Module]:
        check_whole(1, slice_width=self.slice_width)
        width = self.bits * self.slice_width
        return [nn.Linear(features, width), nn.ReLU(), DivideAndEncode(width, self.bits)]
