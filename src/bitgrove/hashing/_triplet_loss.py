"""The triplet ranking loss of simultaneous feature learning and hash coding (NINH, DNNH)."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from ._batch import alike, checked, nearest_is_alike, squared_distances
from ._checks import check_flag, check_not_negative, check_positive, check_whole


def triplet_ranking_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0
) -> Tensor:
    """``max(0, margin + |a - p|^2 - |a - n|^2)`` of every triplet, shape ``(t,)``.

    For an active triplet the gradient is ``2 (n - p)`` for the anchor, ``2 (p - a)`` for the
    positive and ``2 (a - n)`` for the negative.

    Source: Lai, Pan, Liu and Yan, "Simultaneous Feature Learning and Hash Coding with Deep Neural
    Networks", CVPR 2015: Hamming distances relaxed to squared l2 of numbers in 0 to 1.

    Args:
        anchor: shape ``(t, bits)``.
        positive: rows like the anchors, same shape.
        negative: rows unlike the anchors, same shape.
        margin: above 0.

    Raises:
        TypeError, ValueError: ``margin`` is no number in its range.

    >>> a, p, n = (torch.tensor([[x]]) for x in (0.0, 0.5, 0.75))
    >>> triplet_ranking_loss(a, p, n)
    tensor([0.6875])
    """
    check_positive(margin=margin)
    near = (anchor - positive).square().sum(1)
    far = (anchor - negative).square().sum(1)
    return (margin + near - far).clamp_min(0)


def piecewise_threshold(
    values: Tensor, epsilon: float, *, straight_through: bool = False
) -> Tensor:
    """0 below ``0.5 - epsilon``, 1 above ``0.5 + epsilon``, unchanged between.

    Its gradient is 1 in the band and 0 outside, so what has been decided learns no more; with
    ``straight_through`` it is 1 everywhere.

    Source: Lai et al., CVPR 2015, sec. 3.2. The width of their band is not known to us, and the
    straight-through gradient is not theirs.

    Args:
        values: 0 to 1, any shape.
        epsilon: half of the width of the band, 0 to 0.5; 0.5 changes nothing.
        straight_through: whether the gradient passes the decision.

    Raises:
        TypeError, ValueError: ``epsilon`` is no number in its range.

    >>> piecewise_threshold(torch.tensor([0.2, 0.45, 0.6]), 0.125)
    tensor([0.0000, 0.4500, 0.6000])
    """
    _check_band(epsilon)
    outside = (values - 0.5).abs() > epsilon
    decided = torch.where(outside, (values > 0.5).to(values.dtype), values)
    return values + (decided - values).detach() if straight_through else decided


def _check_band(epsilon: float) -> None:
    check_not_negative(epsilon=epsilon)
    if epsilon > 0.5:
        raise ValueError(f"epsilon must be in 0 to 0.5, got {epsilon}")


@final
class TripletHashLoss(nn.Module):
    """Triplet ranking over all triplets of a batch, of numbers between 0 and 1.

    Real codes become ``F = g(sigmoid(code))`` with :func:`piecewise_threshold` for ``g``, and the
    loss is the mean of :func:`triplet_ranking_loss` over all triplets of an anchor, another row
    that shares a label with it, and one that shares none. A bit is 1 where ``F >= 0.5``, which is
    where its real code is 0 or more. A batch without a triplet costs nothing.

    Source: Lai et al., CVPR 2015. There triplets are drawn at random; their mean is this loss.

    Args:
        bits: length of a code, at least 1.
        margin: above 0, in bits; 1 in the source.
        epsilon: of the threshold; 0.5 leaves the sigmoids as they are.
        straight_through: whether gradients pass the threshold.

    Raises:
        TypeError, ValueError: an argument, a shape or a kind of tensor does not fit.

    >>> loss = TripletHashLoss(2, epsilon=0.5)
    >>> loss(torch.tensor([[9.0, 9], [9, 9], [9, -9]]), torch.tensor([0, 0, 1])) < 1e-3
    tensor(True)
    """

    def __init__(
        self,
        bits: int,
        *,
        margin: float = 1.0,
        epsilon: float = 0.1,
        straight_through: bool = False,
    ) -> None:
        super().__init__()
        check_whole(1, bits=bits)
        check_positive(margin=margin)
        _check_band(epsilon)
        check_flag(straight_through=straight_through)
        self.bits = self.outputs = bits
        self.margin, self.epsilon, self.straight_through = margin, epsilon, straight_through

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch: real codes ``(n, bits)``, labels ``(n,)`` or ``(n, classes)``."""
        codes = checked(codes, labels, self.bits)
        soft: Any = piecewise_threshold(
            torch.sigmoid(codes), self.epsilon, straight_through=self.straight_through
        )
        distances, same = squared_distances(soft), alike(labels)
        # One row for each pair of an anchor and a positive: fewer than anchors x rows x rows.
        others = same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
        anchors, positives = others.nonzero(as_tuple=True)
        excess = self.margin + distances[anchors, positives, None] - distances[anchors]
        valid = ~same[anchors]
        return excess.clamp_min(0)[valid].sum() / max(int(valid.sum()), 1)

    def hits(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Whether the nearest other code of the batch shares a label, ``bool[n]``."""
        return nearest_is_alike(codes, labels)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"bits={self.bits}, margin={self.margin:g}, epsilon={self.epsilon:g}, "
            f"straight_through={self.straight_through}"
        )
