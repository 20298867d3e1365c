"""What all losses of codes check, and which rows of a batch are alike."""

from __future__ import annotations

import torch
from torch import Tensor


def checked(codes: Tensor, labels: Tensor, width: int | None = None) -> Tensor:
    """The codes in float32 or float64, so that nothing overflows in half precision.

    Args:
        codes: outputs of a head, shape ``(n, width)``.
        labels: shape ``(n,)`` or, where a row may have several, ``(n, classes)``.
        width: that the loss was made for; None takes any.

    Raises:
        TypeError: codes are no real numbers.
        ValueError: a shape does not fit.
    """
    if not codes.is_floating_point():
        raise TypeError(f"codes must be real numbers, got {codes.dtype}")
    if codes.ndim != 2 or (width is not None and codes.shape[1] != width):
        wanted = "(n, bits)" if width is None else f"(n, {width})"
        raise ValueError(f"codes must have shape {wanted}, got {tuple(codes.shape)}")
    if len(codes) < 1 or labels.ndim not in (1, 2) or len(labels) != len(codes):
        raise ValueError(
            f"every code needs its label, of shape (n,) or (n, classes): got {len(codes)} codes "
            f"and labels of shape {tuple(labels.shape)}"
        )
    return codes if codes.dtype == torch.float64 else codes.float()


def checked_classes(labels: Tensor, classes: int) -> Tensor:
    """Labels of a loss that knows its classes, as they are.

    Raises:
        TypeError: labels are no integers.
        ValueError: a row has several labels, or one that is out of range.
    """
    if labels.ndim != 1:
        raise ValueError(
            f"this loss has one class a row: labels must have shape (n,), got "
            f"{tuple(labels.shape)}; DSHLoss and TripletHashLoss take several labels a row"
        )
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise TypeError(f"labels must be integers, got {labels.dtype}")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(
            f"labels must be in 0 to {classes - 1} for {classes} classes, got "
            f"{int(labels.min())} to {int(labels.max())}"
        )
    return labels


def alike(labels: Tensor) -> Tensor:
    """Which rows share a label, ``bool[n, n]``; each with itself, even if it has none.

    Args:
        labels: of shape ``(n,)``, or ``(n, classes)`` where a number above 0 is a label.

    >>> alike(torch.tensor([[1, 0, 1], [0, 1, 1], [0, 1, 0]])).int()
    tensor([[1, 1, 0],
            [1, 1, 1],
            [0, 1, 1]], dtype=torch.int32)
    """
    if labels.ndim == 1:
        return labels[:, None] == labels[None, :]
    has = (labels > 0).float()
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return (has @ has.T > 0) | itself


def squared_distances(codes: Tensor) -> Tensor:
    """``|a - b|^2`` of all pairs of rows, ``(n, n)``, never negative."""
    return (codes[:, None] - codes[None]).square().sum(2)


def nearest_is_alike(values: Tensor, labels: Tensor) -> Tensor:
    """Whether the nearest other row of the batch by code shares a label, ``bool[n]``.

    Among rows at one distance more than half must be alike. A row that is alone is a miss.

    Args:
        values: real codes ``(n, bits)``; their signs are compared.
        labels: ``(n,)`` or ``(n, classes)``.
    """
    n = len(values)
    if n < 2:
        return torch.zeros(n, dtype=torch.bool, device=values.device)
    signs = (values >= 0).float() * 2 - 1
    products = signs @ signs.T
    products.fill_diagonal_(-torch.inf)
    nearest = products == products.max(1, keepdim=True).values
    return (nearest & alike(labels)).sum(1) * 2 > nearest.sum(1)
