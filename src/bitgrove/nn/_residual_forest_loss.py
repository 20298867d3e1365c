"""Cross-entropy of a forest with the exact divergent gradient to what it reads."""

from __future__ import annotations

from torch import Tensor

from ._forest_gradient import RoutedTrees
from ._residual_forest import ResidualForestHead


def residual_forest_loss(
    head: ResidualForestHead,
    x: Tensor,
    labels: Tensor,
    *,
    others: Tensor | None = None,
    ignore_index: int = -100,
) -> Tensor:
    """Cross-entropy of a forest, whose gradient to the input is the divergent one, exactly.

    Each node on the way of a row is seen as a blend of two losses: the actual one, and the one of
    the row sent the other way at this node alone (Zuo and Drummond, CoRL 2017, Eq. 10). The
    gradient is ``lambda g (L_right - L_left)``, ``g`` the slope of the sigmoid. The second line of
    the paper's Eq. 11 has another sign, which contradicts its first line and Eq. 10.

    Args:
        head: with ``sharpness``, its lambda; without, there is no gradient to ``x``.
        x: ``[n, c]`` or ``[n, c, h, w]``.
        labels: ``int64[n]`` or ``int64[n, h, w]``.
        others: logits of other forests to add, of the shape of the head's; they get the gradient
            of any cross-entropy.
        ignore_index: label of rows that are left out.

    Returns:
        The mean over the rows that count; 0 if none does.

    Raises:
        ValueError: shapes differ, or a label is out of range.

    >>> import torch
    >>> head = ResidualForestHead(8, 3, trees=20, sharpness=1.0)
    >>> x = torch.randn(4, 8, requires_grad=True)
    >>> loss = residual_forest_loss(head, x, torch.tensor([0, 2, 1, -100]))
    >>> loss.backward()
    >>> round(loss.item(), 4), head.leaf.grad.abs().sum() > 0, x.grad.abs().sum() == 0
    (1.0986, tensor(True), tensor(True))
    """
    rows, target = head.rows(x), labels.reshape(-1)
    if labels.shape != (x.shape[0], *x.shape[2:]):
        raise ValueError(
            f"labels must have shape {(x.shape[0], *x.shape[2:])}, got {tuple(labels.shape)}"
        )
    counted = target != ignore_index
    rows, target = rows[counted], target[counted]
    if len(target) and not 0 <= int(target.min()) <= int(target.max()) < head.classes:
        raise ValueError(
            f"labels must be 0 to {head.classes - 1} or {ignore_index}, got {int(target.min())} "
            f"to {int(target.max())}"
        )
    added = rows.new_zeros((len(rows), head.classes))
    if others is not None:
        if others.shape != (x.shape[0], head.classes, *x.shape[2:]):
            raise ValueError(
                f"others must have the shape of the head's logits, "
                f"{(x.shape[0], head.classes, *x.shape[2:])}, got {tuple(others.shape)}"
            )
        added = others.movedim(1, -1).reshape(-1, head.classes)[counted]
    forest = RoutedTrees(head.feature, head.threshold, head.sharpness)
    return forest.loss(rows, added, head.route(rows), target, head.leaf)
