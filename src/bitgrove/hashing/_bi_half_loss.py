"""Bi-half: each bit halves the batch, and codes keep the features' cosines."""

from __future__ import annotations

from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._batch import checked
from ._checks import check_not_negative, check_whole


def bi_half(values: Tensor, gamma: float = 6.0) -> Tensor:
    """+1 for the larger half of each column of a batch and -1 for the rest, in training only.

    That a bit halves its data makes its entropy largest; the optimal transport from a column's
    numbers to such a bit is by rank. Of an odd number of rows one more gets -1; among equal numbers
    the earlier row counts as larger. Going backwards, the gradient is that of the bits plus
    ``gamma * (values - bits) / number of values``, which draws each number to its bit.

    Codes of new rows are plain signs: a row must have the same code in any batch.

    Source: Li and van Gemert, "Deep Unsupervised Image Hashing by Maximizing Bit Entropy", AAAI
    2021.

    Args:
        values: real codes of a batch ``(n, bits)``.
        gamma: 0 or more.

    Raises:
        TypeError, ValueError: ``gamma`` is no number in its range.

    >>> bi_half(torch.tensor([[5.0], [7.0], [6.0], [9.0]])).T
    tensor([[-1.,  1., -1.,  1.]])
    """
    check_not_negative(gamma=gamma)
    halves: Any = _Halves.apply(values, gamma)
    return halves


class _Halves(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, gamma: float) -> Tensor:
        order = values.argsort(dim=0, descending=True, stable=True)
        bits = torch.full_like(values, -1.0)
        bits.scatter_(0, order[: len(values) // 2], 1.0)
        ctx.save_for_backward(values, bits)
        ctx.gamma = gamma
        return bits

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        values, bits = ctx.saved_tensors
        return gradients[0] + ctx.gamma * (values - bits) / values.numel(), None


@final
class BiHalfLoss(nn.Module):
    """Mean squared difference between the cosines of the codes and those of the features.

    Over all pairs of different rows of a batch, with codes by :func:`bi_half`. It needs no labels,
    but the features that the codes are made of.

    Source: Li and van Gemert, AAAI 2021.

    Args:
        bits: length of a code, at least 1.
        gamma: pull of the numbers to their bits, 0 or more; 6 in the authors' code.

    Raises:
        TypeError, ValueError: an argument, a shape or a kind of tensor does not fit.

    >>> rows = torch.tensor([[1.0, 0], [-1, 0]])
    >>> BiHalfLoss(1)(torch.tensor([[0.3], [0.1]]), rows)
    tensor(0.)
    """

    def __init__(self, bits: int, *, gamma: float = 6.0) -> None:
        super().__init__()
        check_whole(1, bits=bits)
        check_not_negative(gamma=gamma)
        self.bits = self.outputs = bits
        self.gamma = gamma

    def forward(self, codes: Tensor, features: Tensor) -> Tensor:
        """The loss of a batch: real codes ``(n, bits)``, their features ``(n, d)``; n from 2 on."""
        codes = checked(codes, features, self.bits)
        if len(codes) < 2 or features.ndim != 2:
            raise ValueError(
                "bi-half compares pairs of rows: it needs 2 rows at least and features of shape "
                f"(n, d), got {len(codes)} codes and features of shape {tuple(features.shape)}"
            )
        halves = bi_half(codes, self.gamma)
        apart = _cosines(halves) - _cosines(features.to(codes.dtype))
        pairs = ~torch.eye(len(codes), dtype=torch.bool, device=codes.device)
        return apart[pairs].square().mean()

    def extra_repr(self) -> str:
        """The settings."""
        return f"bits={self.bits}, gamma={self.gamma:g}"


def _cosines(rows: Tensor) -> Tensor:
    unit = F.normalize(rows)
    return unit @ unit.T
