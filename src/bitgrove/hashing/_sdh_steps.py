"""The objective of supervised discrete hashing and its three exact or descending steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

from ._dcc import descend
from ._rows import Matrix, blocks


class Problem:
    """``||Y - B W||² + λ ||W||² + ν (||B - Φ P||² + δ ||P||²)``, ``Y`` one-hot.

    Args:
        functions: ``Φ``, ``(n, functions)``.
        labels: ``(n,)``, from 0.
        classes: how many.
        regression: λ.
        agreement: ν.
        shrinkage: δ.
    """

    def __init__(
        self,
        functions: npt.NDArray[np.float32],
        labels: npt.NDArray,
        classes: int,
        regression: float,
        agreement: float,
        shrinkage: float,
    ) -> None:
        self._functions, self._labels = functions, labels
        n = len(labels)
        self._of_class = csr_array((np.ones(n), (labels, np.arange(n))), shape=(classes, n))
        self._regression, self._agreement = regression, agreement
        self._shrinkage = shrinkage
        gram = shrinkage * np.eye(functions.shape[1])
        for _, part in blocks(functions):
            gram += part.T @ part
        self._factor = cho_factor(gram)

    def classifier(self, codes: Matrix) -> Matrix:
        """The best ``W``, ``(bits, classes)``, for codes ``(n, bits)``."""
        ridge = codes.T @ codes + self._regression * np.eye(codes.shape[1])
        return np.asarray(np.linalg.solve(ridge, (self._of_class @ codes).T), np.float64)

    def projection(self, codes: Matrix) -> Matrix:
        """The best ``P``, ``(functions, bits)``."""
        target = np.zeros((self._functions.shape[1], codes.shape[1]))
        for rows, part in blocks(self._functions):
            target += part.T @ codes[rows]
        return cho_solve(self._factor, target)

    def foretold(self, projection: Matrix) -> Matrix:
        """``F = Φ P``, ``(n, bits)``."""
        out = np.empty((len(self._labels), projection.shape[1]))
        for rows, part in blocks(self._functions):
            out[rows] = part @ projection
        return out

    def codes(self, before: Matrix, classifier: Matrix, foretold: Matrix, sweeps: int) -> Matrix:
        """Codes that are no worse than those before, row by row."""
        gram = classifier @ classifier.T
        out = np.empty_like(before)
        for rows, old in blocks(before):
            linear = classifier.T[self._labels[rows]] + self._agreement * foretold[rows]
            new = descend(linear, gram, np.zeros_like(old), sweeps)
            worse = _value(new, linear, gram) >= _value(old, linear, gram)
            out[rows] = np.where(worse[:, None], old, new)
        return out

    def objective(
        self, codes: Matrix, classifier: Matrix, projection: Matrix, foretold: Matrix
    ) -> float:
        """What is made small."""
        wrong = 0.0
        for rows, part in blocks(codes):
            answers = part @ classifier
            answers[np.arange(len(part)), self._labels[rows]] -= 1
            wrong += np.square(answers).sum()
        apart = np.square(codes - foretold).sum() + self._shrinkage * np.square(projection).sum()
        weight = self._regression * np.square(classifier).sum()
        return float(wrong + weight + self._agreement * apart)


def _value(codes: Matrix, linear: Matrix, gram: Matrix) -> Matrix:
    """``b' gram b - 2 q' b`` of every row."""
    return ((codes @ gram - 2 * linear) * codes).sum(1)
