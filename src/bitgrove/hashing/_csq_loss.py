"""The loss of central similarity quantisation (CSQ)."""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._batch import checked, checked_classes
from ._centres import hash_centres
from ._checks import check_not_negative


@final
class CSQLoss(nn.Module):
    """Every bit is a guess at the bit of the class' centre.

    With ``h = tanh(u)`` of the real codes, the mean over rows and bits of the binary cross-entropy
    between ``(h + 1) / 2`` and the centre's bit, plus ``quantisation`` times that of
    ``(|h| - 1)^2``. The centres are those of :func:`hash_centres`, and stay.

    Source: Yuan et al., CVPR 2020; the weight is that of their code. The paper's second term has
    ``log cosh`` of the same numbers where this has their squares. One label a row: the source's
    centres of several labels, drawn at random where bits tie, are not here.

    Args:
        bits: length of a code, at least 1.
        classes: at least 2.
        quantisation: weight of the second term, 0 or more.
        seed: of the centres.

    Raises:
        TypeError, ValueError: an argument, a shape or a kind of tensor does not fit.

    >>> loss = CSQLoss(8, 3)
    >>> loss(50 * loss.centres, torch.arange(3)) < 1e-6
    tensor(True)
    """

    centres: Tensor

    def __init__(
        self, bits: int, classes: int, *, quantisation: float = 1e-4, seed: int = 0
    ) -> None:
        super().__init__()
        check_not_negative(quantisation=quantisation)
        centres = torch.from_numpy(hash_centres(classes, bits, seed=seed)).float()
        self.register_buffer("centres", centres)
        self.bits = self.outputs = bits
        self.classes, self.quantisation, self.seed = classes, quantisation, seed

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch: real codes ``(n, bits)``, labels ``int64[n]``."""
        codes = checked(codes, labels, self.bits)
        wanted = self.centres[checked_classes(labels, self.classes)].to(codes.dtype)
        # (tanh(u) + 1) / 2 is the sigmoid of 2 u, whose logarithm does not overflow so.
        guess = F.binary_cross_entropy_with_logits(2 * codes, (wanted + 1) / 2)
        return guess + self.quantisation * (codes.tanh().abs() - 1).square().mean()

    def hits(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Whether the centre of the class is the nearest to the code, ``bool[n]``."""
        codes = checked(codes, labels, self.bits)
        signs = torch.where(codes >= 0, 1.0, -1.0)
        return (signs @ self.centres.T).argmax(1) == labels

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"bits={self.bits}, classes={self.classes}, quantisation={self.quantisation:g}, "
            f"seed={self.seed}"
        )
