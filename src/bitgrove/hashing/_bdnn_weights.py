"""How much each term of the objectives counts: the settings of the code, those of the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ._checks import check_not_negative


@dataclass(frozen=True, slots=True, kw_only=True)
class BDNNWeights:
    """Factors of the terms; the defaults are those of the authors' code.

    Two of the terms grow with the number of training rows, where the others are means: balance is
    ``n / 2`` times the squared mean of the codes, and similarity ``n / 2`` times a mean over pairs.
    A weight that was found for ``n`` rows means ``weight * n / m`` for ``m``.

    Raises:
        TypeError: a weight is no number.
        ValueError: a weight is negative or not finite.

    >>> BDNNWeights(balance=0.0).equality
    0.05
    """

    decay: float = 1e-5
    """Of ``||W||² / 2`` over all layers, without biases."""
    equality: float = 5e-2
    """Of ``||H - B||² / 2n``: real codes near their signs."""
    independence: float = 1e-2
    """Of ``||H H' / n - I||² / 2``: bits that do not repeat each other."""
    balance: float = 5e-7
    """Of ``||H 1||² / 2n``: a sum over rows, not a mean."""
    similarity: float = 1e-2
    """Of ``||H' H / bits - S||² / 2n`` over all pairs of rows; SH-BDNN alone."""

    def __post_init__(self) -> None:
        for name in ("decay", "equality", "independence", "balance", "similarity"):
            check_not_negative(**{name: getattr(self, name)})


Weights = Literal["code", "paper"] | BDNNWeights

CODE = BDNNWeights()

PAPER_UNSUPERVISED = BDNNWeights(balance=1e-6)

PAPER_SUPERVISED = BDNNWeights(
    similarity=1.0, decay=1e-3, equality=5.0, independence=1.0, balance=1e-4
)
"""``CODE`` divided by its weight of similarity, but for twice the balance. The papers' weights are
as recalled, and were not checked."""


def chosen(weights: object, paper: BDNNWeights) -> BDNNWeights:
    """The weights that a user asks for by name, or as they are."""
    if isinstance(weights, BDNNWeights):
        return weights
    if isinstance(weights, str) and weights in ("code", "paper"):
        return CODE if weights == "code" else paper
    raise ValueError(f"weights must be 'code', 'paper' or BDNNWeights(...), got {weights!r}")
