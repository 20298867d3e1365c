"""The cheat: the number of the class that a linear classifier predicts, in bits."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from ._checks import check_positive, check_whole
from ._classes import numbered
from ._encoder import Features, HashEncoder
from ._rows import Matrix, mean_and_covariance


@final
class ClassCodes(HashEncoder):
    """The number of the predicted class as a code: what every supervised hash must be held against.

    Where rows are relevant that have the label of the query, ``ceil(log2(classes))`` bits that name
    the answer of a logistic regression score as high as long learnt codes, though they hold nothing
    of the row but a guess at its label, and nothing at all for classes that were not among the
    training rows. A table of supervised hashing without this row tells little.

    Source: Sablayrolles, Douze, Usunier and Jegou, "How should we evaluate supervised hashing?",
    ICASSP 2017.

    Args:
        bits: length of a code, at least ``ceil(log2(classes))``. Bits beyond these are always 0,
            and come first.
        regularization: weight of the squared weights against the mean log loss of a row, features
            taken in units of their standard deviation.
        max_iter: of L-BFGS; a fit that has not ended by then warns.

    Attributes:
        classes_: the labels, sorted; codes number them in this order.
        n_iter_: of L-BFGS.
        coef_, intercept_: of the classifier, ``(classes, features)`` and ``(classes,)``.

    >>> from bitgrove.hashing import ClassCodes
    >>> rows = np.array([[0.0], [1.0], [10.0], [11.0], [20.0], [21.0]])
    >>> cheat = ClassCodes(bits=2).fit(rows, ["a", "a", "b", "b", "c", "c"])
    >>> np.unpackbits(cheat.encode([[0.5], [10.5], [20.5]]), axis=1, count=2)
    array([[0, 0],
           [0, 1],
           [1, 0]], dtype=uint8)
    """

    classes_: npt.NDArray
    n_iter_: int
    coef_: Matrix
    intercept_: Matrix

    def __init__(
        self, bits: int = 8, *, regularization: float = 1e-4, max_iter: int = 1000
    ) -> None:
        self.bits = bits
        self.regularization = regularization
        self.max_iter = max_iter

    @property
    def _needs_labels(self) -> bool:
        return True

    def _learn(self, features: Features, labels: npt.NDArray | None) -> None:
        check_positive(regularization=self.regularization)
        check_whole(1, max_iter=self.max_iter)
        self.classes_, numbers = numbered("ClassCodes", labels)
        classes = len(self.classes_)
        needed = (classes - 1).bit_length()
        if self.bits < needed:
            raise ValueError(
                f"bits={self.bits} cannot number {classes} classes: at least {needed} are needed"
            )
        mean, covariance = mean_and_covariance(features)
        spread = np.sqrt(np.diag(covariance))
        spread[spread <= 1e-9 * np.abs(mean)] = 1  # a constant, but for rounding
        scaled = (features - mean) / spread
        model = LogisticRegression(
            C=1 / (self.regularization * len(features)), max_iter=self.max_iter
        ).fit(scaled, numbers)
        self.n_iter_ = int(model.n_iter_.max())
        coef, intercept = model.coef_ / spread, model.intercept_
        if classes == 2:  # the second against the first
            coef, intercept = np.vstack([-coef, coef]) / 2, np.array([-1, 1]) * intercept / 2
        self.coef_, self.intercept_ = coef, intercept - coef @ mean

    def _project(self, rows: Matrix) -> Features:
        """The bits themselves as -1 and +1: a guess has no sides."""
        places = np.arange(self.bits)[::-1]
        best = (rows @ self.coef_.T + self.intercept_).argmax(1)
        return np.where(np.right_shift(best[:, None], np.minimum(places, 62)) & 1, 1.0, -1.0)
