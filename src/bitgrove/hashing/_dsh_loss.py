"""The loss of Deep Supervised Hashing."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from ._batch import alike, checked, nearest_is_alike, squared_distances
from ._checks import check_not_negative, check_positive, check_whole


@final
class DSHLoss(nn.Module):
    """Contrastive loss over all pairs of a batch, and a pull of every number to +1 or -1.

    For rows ``b_i``, with ``y_ij`` 0 for rows that share a label and 1 for others::

        1 / (n (n - 1)) sum_{i<j} (1 - y_ij) |b_i - b_j|^2 + y_ij max(margin - |b_i - b_j|^2, 0)
            + alpha / n sum_i || |b_i| - 1 ||_1

    Going backwards, the slope of the last term is +1 where ``b >= 1`` or ``-1 <= b <= 0`` and -1
    elsewhere. A batch whose like rows have one code, and whose other rows differ in half of their
    bits or more, costs nothing.

    Source: Liu, Wang, Shan and Chen, "Deep Supervised Hashing for Fast Image Retrieval", CVPR 2016,
    with the divisors of the authors' code. A batch of one row has no pairs and gives the
    second term alone.

    Args:
        bits: length of a code, at least 1.
        margin: above 0; None is the authors' ``2 * bits``.
        alpha: weight of the pull, 0 or more.

    Raises:
        TypeError, ValueError: an argument, a shape or a kind of tensor does not fit.

    >>> loss = DSHLoss(4)
    >>> loss(torch.tensor([[1.0, 1, 1, 1], [1, 1, 1, 1], [-1, -1, 1, 1]]), torch.tensor([0, 0, 1]))
    tensor(0.)
    """

    def __init__(self, bits: int, *, margin: float | None = None, alpha: float = 0.01) -> None:
        super().__init__()
        check_whole(1, bits=bits)
        self.bits = self.outputs = bits
        if margin is not None:
            check_positive(margin=margin)
        check_not_negative(alpha=alpha)
        self.margin, self.alpha = 2.0 * bits if margin is None else float(margin), alpha

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch: real codes ``(n, bits)``, labels ``(n,)`` or ``(n, classes)``."""
        codes = checked(codes, labels, self.bits)
        n = len(codes)
        pull: Any = _Pull.apply(codes)
        distances = squared_distances(codes)
        pairs = torch.where(alike(labels), distances, (self.margin - distances).clamp_min(0))
        # The diagonal is 0: a row is like itself.
        return pairs.sum() / (2 * max(n * (n - 1), 1)) + self.alpha / n * pull

    def hits(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Whether the nearest other code of the batch shares a label, ``bool[n]``."""
        return nearest_is_alike(codes, labels)

    def extra_repr(self) -> str:
        """The settings."""
        return f"bits={self.bits}, margin={self.margin:g}, alpha={self.alpha:g}"


class _Pull(torch.autograd.Function):
    """``sum | |b| - 1 |`` with the slopes that the source chooses at -1, 0 and 1."""

    @staticmethod
    def forward(ctx: Any, codes: Tensor) -> Tensor:
        ctx.save_for_backward(codes)
        return (codes.abs() - 1).abs().sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (codes,) = ctx.saved_tensors
        rises = (codes >= 1) | ((codes >= -1) & (codes <= 0))
        return gradients[0] * torch.where(rises, 1.0, -1.0).to(codes.dtype)
