"""The terms of the objectives of UH-BDNN and SH-BDNN, with their gradients.

Rows are samples here, columns in the papers: real codes are ``(n, bits)``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._bdnn_weights import BDNNWeights
from ._pairs import SamePairs

Terms = dict[str, float]


def code_terms(codes: Tensor, signs: Tensor, weights: BDNNWeights) -> tuple[Terms, Tensor]:
    """Equality, independence and balance of real codes; their gradient is ``(n, bits)``."""
    n, bits = codes.shape
    apart = codes - signs
    moment = codes.T @ codes / n - torch.eye(bits, dtype=codes.dtype)
    total = codes.sum(0)
    terms = {
        "equality": weights.equality / (2 * n) * _squared(apart),
        "independence": weights.independence / 2 * _squared(moment),
        "balance": weights.balance / (2 * n) * _squared(total),
    }
    gradient = apart.mul_(weights.equality / n)
    gradient.addmm_(codes, moment, alpha=2 * weights.independence / n)
    gradient.add_(total, alpha=weights.balance / n)
    return terms, gradient


def similarity_term(codes: Tensor, pairs: SamePairs, weight: float) -> tuple[float, Tensor]:
    """``weight / 2n · ||H' H / bits - S||²`` without any matrix of pairs, and its gradient.

    With ``S`` constant over groups of rows, ``||H' H||² = ||H H'||²`` (``bits`` by ``bits``) and
    the rest needs sums over groups alone: exact, in ``O(n bits (bits + classes))``.
    """
    n, bits = codes.shape
    moment = codes.T @ codes
    sums = pairs.group_sums(codes)
    towards = pairs.times(sums)
    agreement = float((sums * towards).sum())
    value = _squared(moment) / bits**2 - 2 / bits * agreement + n * n
    gradient = (codes @ moment).mul_(2 * weight / (n * bits**2))
    gradient.sub_(pairs.of_rows(towards.mul_(2 * weight / (n * bits))))
    return weight / (2 * n) * value, gradient


class Reconstruction:
    """``||X - W B - c 1'||² / 2n`` for codes ``B`` that are fixed: rows are read once.

    Args:
        rows: ``(n, features)``.
        signs: ``(n, bits)``, of -1 and +1.
    """

    def __init__(self, rows: Tensor, signs: Tensor) -> None:
        self.count = len(rows)
        self._squares = _squared(rows)
        self._row_sum = rows.sum(0)
        self._sign_sum = signs.sum(0)
        self._mixed = rows.T @ signs
        self._moment = signs.T @ signs

    def __call__(self, weight: Tensor, bias: Tensor, by_weight: Tensor, by_bias: Tensor) -> float:
        """The value; gradients by the weight ``(features, bits)`` and the bias are written."""
        n = self.count
        torch.mm(weight, self._moment, out=by_weight)
        shown = weight @ self._sign_sum
        value = (
            self._squares
            - 2 * float((weight * self._mixed).sum())
            + float((weight * by_weight).sum())
            + 2 * float(bias @ (shown - self._row_sum))
            + n * float(bias @ bias)
        )
        by_weight.sub_(self._mixed).addr_(bias, self._sign_sum).div_(n)
        by_bias.copy_(shown).sub_(self._row_sum).add_(bias, alpha=n).div_(n)
        return value / (2 * n)


def add_decay(
    layers: list[tuple[Tensor, Tensor]], gradients: list[tuple[Tensor, Tensor]], weight: float
) -> float:
    """``weight / 2`` times the squares of all weights; its gradient is added."""
    value = 0.0
    for (w, _), (g, _) in zip(layers, gradients, strict=True):
        value += weight / 2 * _squared(w)
        g.add_(w, alpha=weight)
    return value


def _squared(x: Tensor) -> float:
    flat = x.reshape(-1)
    return float(flat @ flat)
