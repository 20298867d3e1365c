"""Iterative quantisation: principal components, rotated so that their signs lose little."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from ._checks import check_whole
from ._encoder import Features, HashEncoder
from ._principal import Matrix, check_axes, principal_axes

_ITERATIONS = 50


@final
class ITQ(HashEncoder):
    """Iterative quantisation (Gong and Lazebnik, CVPR 2011).

    The first ``bits`` principal components ``V`` of the centred rows are rotated by the ``R`` that
    makes ``||B - V R||²`` small, ``B`` being the signs of ``V R``. ``B`` for a fixed ``R`` and
    ``R`` for a fixed ``B`` (orthogonal Procrustes) are exact, so the error never increases.

    Args:
        bits: length of a code, at most the number of features.
        iterations: of the two steps.
        random_state: of the rotation that it starts from.

    Attributes:
        mean_: of the training rows, ``(features,)``.
        components_: the principal axes, ``(bits, features)``.
        rotation_: ``R``, ``(bits, bits)``, orthogonal.
        quantization_error_: ``||B - V R||² / n`` before the first and after every iteration.

    >>> from bitgrove.hashing import ITQ
    >>> rows = np.random.default_rng(0).normal(size=(100, 8))
    >>> itq = ITQ(bits=4, random_state=0).fit(rows)
    >>> itq.encode(rows).shape, bool(itq.quantization_error_[0] > itq.quantization_error_[-1])
    ((100, 1), True)
    """

    mean_: Matrix
    components_: Matrix
    rotation_: Matrix
    quantization_error_: Matrix

    def __init__(
        self,
        bits: int = 32,
        *,
        iterations: int = _ITERATIONS,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.bits = bits
        self.iterations = iterations
        self.random_state = random_state

    def _learn(self, features: Features, labels: npt.NDArray | None) -> None:
        check_axes("ITQ", self.bits, features.shape[1])
        check_whole(0, iterations=self.iterations)
        random = check_random_state(self.random_state)
        self.mean_, self.components_ = principal_axes(features, self.bits)
        projected = (features - self.mean_) @ self.components_.T
        self.rotation_, self.quantization_error_ = rotate(projected, self.iterations, random)

    def _project(self, rows: Matrix) -> Features:
        return (rows - self.mean_) @ (self.components_.T @ self.rotation_)


def rotate(
    projected: npt.NDArray, iterations: int, random: np.random.RandomState
) -> tuple[Matrix, Matrix]:
    """The rotation ``(bits, bits)`` of rows ``(n, bits)``, and the errors on the way to it."""
    rows = np.asarray(projected, np.float64)
    bits = rows.shape[1]
    rotation = np.linalg.svd(random.standard_normal((bits, bits)))[0]
    errors: list[float] = []
    for step in range(iterations + 1):
        turned = rows @ rotation
        signs = np.where(turned >= 0, 1.0, -1.0)
        errors.append(float(np.square(signs - turned).sum() / len(rows)))
        if step < iterations:
            left, _, right = np.linalg.svd(signs.T @ rows)
            rotation = right.T @ left.T
    return rotation, np.array(errors)


def itq_signs(features: npt.NDArray, bits: int, random: np.random.RandomState) -> Matrix:
    """Codes of the training rows themselves as -1 and +1, ``(n, bits)``: where networks start."""
    mean, axes = principal_axes(features, bits)
    projected = (features - mean) @ axes.T
    rotation, _ = rotate(projected, _ITERATIONS, random)
    return np.where(projected @ rotation >= 0, 1.0, -1.0)
