"""Losses of triplets of unit vectors."""

from __future__ import annotations

from torch import Tensor


def quarter_distances(a: Tensor, b: Tensor) -> Tensor:
    """``|a - b|^2 / 4`` row by row, 0 to 1 for unit vectors.

    Args:
        a: shape ``(n, dim)``.
        b: shape ``(n, dim)``.

    >>> import torch
    >>> quarter_distances(torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0]]))
    tensor([1.])
    """
    return (a - b).square().sum(dim=1) / 4


def triplet_loss(near: Tensor, far: Tensor, margin: float = 0.2) -> Tensor:
    """``mean(max(0, near - far + margin))``.

    Source: Schroff, Kalenichenko and Philbin, "FaceNet", CVPR 2015, eq. 2, there a sum; with the
    distances and the margin of Harwood et al., "Smart Mining for Deep Metric Learning", ICCV 2017.

    Args:
        near: :func:`quarter_distances` of anchors and positives, shape ``(t,)``.
        far: those of anchors and negatives, shape ``(t,)``.
        margin: 0 to 1.

    >>> import torch
    >>> triplet_loss(torch.tensor([0.5, 0.0]), torch.tensor([0.5, 0.9]))
    tensor(0.1000)
    """
    return (near - far + margin).clamp_min(0).mean()


def global_loss(near: Tensor, far: Tensor, margin: float = 0.01, weight: float = 0.8) -> Tensor:
    """``var(near) + var(far) + weight * max(0, mean(near) - mean(far) + margin)``.

    It separates the two distributions of distances in a batch, where :func:`triplet_loss` sees one
    triplet at a time; the two are used together, as their sum.

    Source: Kumar, Carneiro and Reid, "Learning Local Image Descriptors with Deep Siamese and
    Triplet Convolutional Networks by Minimising Global Loss Functions", CVPR 2016; margin of
    Harwood et al., ICCV 2017. Variances are those of the batch (divided by its size).

    Args:
        near: :func:`quarter_distances` of anchors and positives, shape ``(t,)``.
        far: those of anchors and negatives, shape ``(t,)``.
        margin: 0 to 1.
        weight: of the means, lambda in the source.

    >>> import torch
    >>> global_loss(torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.5]))
    tensor(0.0080)
    """
    means = (near.mean() - far.mean() + margin).clamp_min(0)
    return near.var(correction=0) + far.var(correction=0) + weight * means


def violations(near: Tensor, far: Tensor, margin: float = 0.2) -> int:
    """How many triplets have a loss: ``near - far + margin > 0``."""
    return int((near - far + margin > 0).sum())
