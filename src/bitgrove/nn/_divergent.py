"""The gradient of a hard tree to what it reads, by the loss of the way not taken."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ._residual_forest_routing import chunks, pick, walk

Change = Callable[[Tensor, slice], Tensor]
"""Takes what other leaves would add to the logits of some rows, ``[m, trees, classes]``, and the
slice of those rows; returns how much the loss of each would change, ``[m, trees]``."""


def divergent_gradient(
    rows: Tensor,
    index: Tensor,
    leaf: Tensor,
    feature: Tensor,
    threshold: Tensor,
    sharpness: float,
    change: Change,
) -> Tensor:
    """The gradient of the loss to the rows, after Eq. 10 of Zuo and Drummond, CoRL 2017.

    A node that compares ``x`` with ``s`` is seen as a blend, ``sigmoid(-lambda z) L_left +
    sigmoid(lambda z) L_right`` with ``z = x - s``, where ``L_left`` and ``L_right`` are the losses
    of the row sent left or right at this node alone, all others deciding as ever: one is the
    actual loss, the other the divergent one. So each node of a path adds ``lambda g (L_right -
    L_left)`` to the gradient, with ``g = sigmoid(lambda z) sigmoid(-lambda z)``: a lower divergent
    loss pulls ``x`` towards ``s``. The second line of the paper's Eq. 11 has the difference the
    other way round for ``x > s``, which contradicts its first line and Eq. 10; this is the
    derivative of Eq. 10.

    Args:
        rows: ``[m, channels]``.
        index: ``int32[m, trees]``, the leaf of each.
        leaf: ``[trees, leaves, classes]``.
        feature: ``int64[trees, nodes]``.
        threshold: ``[trees, nodes]``.
        sharpness: lambda.
        change: the change of the loss.

    Returns:
        ``[m, channels]``.
    """
    trees, count, classes = leaf.shape
    depth = count.bit_length() - 1
    inner = count - 1
    first = torch.arange(trees, device=rows.device)
    table = leaf.reshape(-1, classes)
    gradient = torch.zeros_like(rows)
    start = 0
    width = trees
    for part, own, out in zip(
        chunks(rows, width), chunks(index, width), chunks(gradient, width), strict=True
    ):
        where = slice(start, start := start + len(part))
        here = pick(table, own + first * count)
        for level in range(depth):
            # The node of this level, and the child of it that the row goes to.
            node = (own.long() + count >> depth - level) - 1
            child = (own.long() + count >> depth - level - 1) - 1
            right = child == 2 * node + 2
            other = torch.where(right, child - 1, child + 1)
            end = walk(part, feature, threshold, other, depth - level - 1) - inner
            changed = change(pick(table, end + first * count).sub_(here), where)
            at = node + first * inner
            channel = pick(feature.reshape(-1), at)
            z = sharpness * (part.gather(1, channel) - pick(threshold.reshape(-1), at))
            slope = sharpness * torch.sigmoid(z) * torch.sigmoid(-z)
            out.scatter_add_(1, channel, slope * torch.where(right, -changed, changed))
    return gradient


def linear_change(gradient: Tensor) -> Change:
    """To first order: the gradient of the loss to the logits ``[m, classes]``, times the change."""
    return lambda delta, where: torch.einsum("mtk,mk->mt", delta, gradient[where])


def cross_entropy_change(logits: Tensor, labels: Tensor, weights: Tensor) -> Change:
    """Exactly, for the cross-entropy of ``logits[m, classes]``, each row times its weight."""

    def change(delta: Tensor, where: slice) -> Tensor:
        before, own = logits[where], labels[where]
        now = before.logsumexp(1)[:, None]
        then = (before[:, None] + delta).logsumexp(2)
        named = delta.gather(2, own[:, None, None].expand(-1, delta.shape[1], 1))[:, :, 0]
        return weights[where, None] * (then - now - named)

    return change
