"""The loss of GreedyHash."""

from __future__ import annotations

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from ._batch import checked, checked_classes
from ._checks import check_not_negative, check_whole
from ._straight_through import straight_through_sign


@final
class GreedyHashLoss(nn.Module):
    """Cross-entropy of a linear classifier on the signs, which the gradient passes unchanged.

    ``CE(classifier(sign(u))) + alpha * mean(| |u| - 1 |^3)``; the classifier is part of the loss,
    so its parameters are to be trained with those of the network.

    Source: Su, Zhang, Han and Tian, "Greedy Hash: Towards Fast Optimization for Accurate Hash
    Coding in CNN", NeurIPS 2018.

    Args:
        bits: length of a code, at least 1.
        classes: at least 2.
        alpha: weight of the pull to +1 and -1, 0 or more.

    Raises:
        TypeError, ValueError: an argument, a shape or a kind of tensor does not fit.

    >>> import torch
    >>> loss = GreedyHashLoss(8, 3, alpha=0.1)
    >>> loss(torch.ones(2, 8), torch.tensor([0, 2])).shape
    torch.Size([])
    """

    def __init__(self, bits: int, classes: int, *, alpha: float = 0.1) -> None:
        super().__init__()
        check_whole(1, bits=bits)
        check_whole(2, classes=classes)
        check_not_negative(alpha=alpha)
        self.bits = self.outputs = bits
        self.classes, self.alpha = classes, alpha
        self.classifier = nn.Linear(bits, classes, bias=False)

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch: real codes ``(n, bits)``, labels ``int64[n]``."""
        codes = checked(codes, labels, self.bits)
        wrong = F.cross_entropy(self._logits(codes), checked_classes(labels, self.classes))
        return wrong + self.alpha * (codes.abs() - 1).abs().pow(3).mean()

    def hits(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Whether the classifier is right about the signs, ``bool[n]``."""
        return self._logits(checked(codes, labels, self.bits)).argmax(1) == labels

    def _logits(self, codes: Tensor) -> Tensor:
        return self.classifier(straight_through_sign(codes).to(self.classifier.weight.dtype))

    def extra_repr(self) -> str:
        """The settings."""
        return f"bits={self.bits}, classes={self.classes}, alpha={self.alpha:g}"
