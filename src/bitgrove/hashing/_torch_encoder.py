"""What the estimators that train a small head by gradient have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils import check_random_state
from torch import Tensor, nn

from ._checks import check_not_negative, check_positive, check_whole, check_widths
from ._encoder import Features, HashEncoder
from ._head_training import (
    Layer,
    Optimizer,
    Schedule,
    layers_of,
    project,
    reproducible,
    train_head,
)


class TorchEncoder(HashEncoder):
    """Linear layers with ReLU between them, trained by mini-batches against a loss.

    Features are centred by the mean of the training rows and divided by one number, their spread.
    Training is in float32 on one thread, so a seed gives one result; codes are computed in float64
    by plain arrays, without torch. A method names all of its parameters in a constructor of its
    own, as scikit-learn wants it; those that are kept and checked here are the same for all.

    Args:
        bits: length of a code, at least 1.
        hidden: sizes of hidden layers with ReLU.
        epochs: passes over the rows, at least 1.
        batch_size: rows a step, at least 2.
        lr: learning rate at the start; it falls linearly to 0.
        weight_decay: 0 or more.
        optimizer: ``"adam"`` (its decay decoupled) or ``"sgd"`` with momentum 0.9.
        random_state: of weights and batches.

    Attributes:
        mean_: of the training rows, ``(features,)``.
        scale_: spread of all their numbers about it.
        layers_: pairs of a weight ``(inputs, outputs)`` and a bias, a ReLU between two.
        loss_curve_: mean loss of every epoch.
        classes_: the labels, sorted, where there are any.
    """

    def __init__(
        self,
        bits: int,
        hidden: Sequence[int],
        epochs: int,
        batch_size: int,
        lr: float,
        weight_decay: float,
        optimizer: Optimizer,
        random_state: int | np.random.RandomState | None,
    ) -> None:
        self.bits = bits
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.optimizer: Optimizer = optimizer
        self.random_state = random_state

    @property
    def _needs_labels(self) -> bool:
        return True

    @property
    def _several_labels(self) -> bool:
        """Whether ``y`` may be ``(n, classes)`` of 0 and 1."""
        return False

    @abstractmethod
    def _make_loss(self, classes: int, seed: int) -> nn.Module:
        """What training makes small."""

    def _make_head(self, features: int) -> list[nn.Module]:
        """What follows the hidden layers, from so many features to the outputs of the loss."""
        return [nn.Linear(features, self.bits)]

    def _begin(self) -> None:
        """Check what only one method has."""

    def _learn(self, features: Features, labels: npt.NDArray | None) -> None:
        schedule = self._checked()
        self._begin()
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        rows = self._standardised(features, anew=True)
        targets, classes = self._targets(rows, labels)
        with reproducible(seed):
            loss = self._make_loss(classes, seed)
            stack: list[nn.Module] = []
            width = rows.shape[1]
            for size in self.hidden:
                stack += [nn.Linear(width, size), nn.ReLU()]
                width = size
            head = nn.Sequential(*stack, *self._make_head(width))
            inputs = torch.from_numpy(rows).float()
            self.loss_curve_ = train_head(head, loss, inputs, targets.__getitem__, schedule)
            _settle(head, inputs)
        self.layers_: list[Layer] = layers_of(list(head))

    def _project(self, rows: npt.NDArray[np.float64]) -> Features:
        return project(self._standardised(rows), self.layers_)

    def _check_labels(self, y: Any) -> npt.NDArray:
        y = np.asarray(y)
        if y.ndim != 2 or y.shape[1] == 1 or not self._several_labels:
            return super()._check_labels(y)
        if not np.isin(y, (0, 1)).all():
            raise ValueError("y of shape (n, classes) must be of 0 and 1: which labels a row has")
        return y.astype(np.int64)

    def _checked(self) -> Schedule:
        check_whole(1, epochs=self.epochs)
        check_whole(2, batch_size=self.batch_size)
        check_positive(lr=self.lr)
        check_not_negative(weight_decay=self.weight_decay)
        if self.optimizer not in ("adam", "sgd"):
            raise ValueError(f"optimizer must be 'adam' or 'sgd', got {self.optimizer!r}")
        check_widths(self.hidden)
        return Schedule(self.epochs, self.batch_size, self.lr, self.weight_decay, self.optimizer)

    def _standardised(self, features: Features, *, anew: bool = False) -> npt.NDArray[np.float64]:
        rows = features.astype(np.float64)
        if anew:
            self.mean_ = rows.mean(0)
            self.scale_ = float((rows - self.mean_).std()) or 1.0
        return (rows - self.mean_) / self.scale_

    def _targets(self, rows: npt.NDArray, labels: npt.NDArray | None) -> tuple[Tensor, int]:
        """What the loss compares with, row by row, and how many classes there are."""
        if labels is None:
            return torch.from_numpy(rows).float(), 0
        if labels.ndim == 2:
            self.classes_ = np.arange(labels.shape[1])
            return torch.from_numpy(labels), labels.shape[1]
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y must have 2 classes at least, got 1 class: {self.classes_.tolist()[0]!r}. "
                "Codes of one class have nothing to tell apart"
            )
        return torch.from_numpy(numbers), len(self.classes_)


def _settle(head: nn.Sequential, rows: Tensor) -> None:
    """Give a batch norm the statistics of all training rows."""
    norms: list[Any] = [module for module in head if isinstance(module, nn.BatchNorm1d)]
    if norms:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain average, of one batch
        head.train()
        with torch.no_grad():
            head(rows)
        head.eval()
