"""The terms of deep hashing and its supervised form, over all rows at once, in torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Layers = Sequence[tuple[Tensor, Tensor]]
"""Weight ``(out, in)`` and bias ``(out,)`` of each layer."""


class Factors(NamedTuple):
    """How much each term counts."""

    variance: float
    orthogonality: float
    decay: float
    separation: float
    centred: bool
    """Variance is about the mean of the outputs, not about 0."""


class Pairs:
    """``tr(S_B - S_W)``, exactly over all pairs of rows, though no pair is formed.

    ``S_W`` is the mean of ``(h_i - h_j)(h_i - h_j)'`` over pairs of two rows of one class, ``S_B``
    over pairs of two classes. As ``||h_i - h_j||²`` summed over all pairs of ``m`` rows is
    ``2 m`` times their sum of squares less twice the square of their sum, both take ``O(n bits)``.

    Args:
        labels: ``int64[n]``, from 0; at least 2 classes.
        classes: how many.
    """

    def __init__(self, labels: Tensor, classes: int) -> None:
        self._labels = labels
        counts = torch.bincount(labels, minlength=classes).double()
        self._counts = counts
        self._alike = max(float((counts * (counts - 1)).sum()), 1.0)
        self._apart = float(len(labels) ** 2 - counts.square().sum())

    def separation(self, codes: Tensor) -> Tensor:
        """Mean squared distance between classes less that within them."""
        squares = codes.square().sum(1)
        sums = codes.new_zeros(len(self._counts), codes.shape[1])
        sums = sums.index_add(0, self._labels, codes)
        within = 2 * (self._counts[self._labels] @ squares - sums.square().sum())
        every = 2 * (len(codes) * squares.sum() - codes.sum(0).square().sum())
        return (every - within) / self._apart - within / self._alike


def real_codes(rows: Tensor, layers: Layers) -> Tensor:
    """``tanh(W h + c)``, layer after layer: ``(n, bits)``."""
    value = rows
    for weight, bias in layers:
        value = torch.tanh(torch.addmm(bias, value, weight.T))
    return value


def objective(rows: Tensor, layers: Layers, factors: Factors, pairs: Pairs | None) -> Tensor:
    """Quantisation, less variance (and separation), orthogonality and decay.

    The binary codes are the signs of the real ones, so for each row ``||b - h||²`` is the sum of
    ``(|h| - 1)²``; its gradient is the same as for fixed signs. What is of rows is a mean.
    """
    codes = real_codes(rows, layers)
    value = (codes.abs() - 1).square().sum() / (2 * len(codes))
    about = codes - codes.mean(0) if factors.centred else codes
    spread = about.square().sum() / len(codes)
    if pairs is not None:
        spread = spread + factors.separation * pairs.separation(codes)
    value = value - factors.variance / 2 * spread
    for weight, bias in layers:
        gram = weight @ weight.T - torch.eye(len(weight), dtype=weight.dtype)
        value = value + factors.orthogonality / 2 * gram.square().sum()
        value = value + factors.decay / 2 * (weight.square().sum() + bias.square().sum())
    return value
