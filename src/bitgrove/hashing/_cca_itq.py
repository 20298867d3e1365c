"""Canonical correlation with labels, rotated so that signs lose little: ITQ with labels."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from ._checks import check_positive, check_whole
from ._classes import numbered
from ._encoder import Features, HashEncoder
from ._itq import rotate
from ._rows import Matrix, blocks, mean_and_covariance


@final
class CCAITQ(HashEncoder):
    """Iterative quantisation of the directions that correlate most with the class.

    The directions ``w`` are those of canonical correlation with one-hot labels ``Y``, largest
    correlation ``ρ`` first ::

        S_xy S_yy⁻¹ S_yx w = ρ² (S_xx + r v I) w,   w' (S_xx + r v I) w = 1,

    ``v`` being the mean variance of the features. For one-hot labels ``S_xy S_yy⁻¹ S_yx`` is the
    scatter of the class means, so at most ``classes - 1`` directions carry anything, and no matrix
    of labels is made. Each direction is weighted by its ``ρ``. Where there are more bits than
    directions, the rows are filled up with zeros before they are rotated: the rotation makes all
    bits of the directions that there are.

    Source: Gong, Lazebnik, Gordo and Perronnin, "Iterative Quantization: A Procrustean Approach to
    Learning Binary Codes for Large-Scale Image Retrieval", PAMI 35(12), 2013, section 5 (CCA-ITQ).
    There the correlation's regularisation is a number for all data; here it is relative to ``v``.

    Args:
        bits: length of a code.
        regularization: ``r``, above 0.
        iterations: of the rotation.
        random_state: of the rotation that it starts from.

    Attributes:
        classes_: the labels, sorted, at least 2.
        mean_: of the training rows, ``(features,)``.
        components_: ``ρ w`` of each direction, ``(directions, features)``.
        correlations_: ``ρ`` of each.
        rotation_: ``(directions, bits)``.
        quantization_error_: ``||B - V R||² / n`` before the first and after every iteration.

    >>> from bitgrove.hashing import CCAITQ
    >>> random = np.random.default_rng(0)
    >>> labels = np.repeat(["cat", "dog", "owl"], 30)
    >>> rows = random.normal(size=(90, 4)) + 6 * np.eye(3, 4).repeat(30, axis=0)
    >>> hasher = CCAITQ(bits=6, random_state=0).fit(rows, labels)
    >>> hasher.components_.shape, len({code.tobytes() for code in hasher.encode(6 * np.eye(3, 4))})
    ((2, 4), 3)
    """

    classes_: npt.NDArray
    mean_: Matrix
    components_: Matrix
    correlations_: Matrix
    rotation_: Matrix
    quantization_error_: Matrix

    def __init__(
        self,
        bits: int = 32,
        *,
        regularization: float = 1e-4,
        iterations: int = 50,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.bits = bits
        self.regularization = regularization
        self.iterations = iterations
        self.random_state = random_state

    @property
    def _needs_labels(self) -> bool:
        return True

    def _learn(self, features: Features, labels: npt.NDArray | None) -> None:
        check_positive(regularization=self.regularization)
        check_whole(0, iterations=self.iterations)
        random = check_random_state(self.random_state)
        self.classes_, numbers = numbered("CCAITQ", labels)
        self.mean_, covariance = mean_and_covariance(features)
        means = class_means(features, numbers, self.mean_, len(self.classes_))
        self.correlations_, directions = canonical_directions(
            covariance, means, self.regularization, self.bits
        )
        self.components_ = self.correlations_[:, None] * directions
        projected = np.zeros((len(features), self.bits))
        for rows, part in blocks(features):
            projected[rows, : len(directions)] = (part - self.mean_) @ self.components_.T
        rotation, self.quantization_error_ = rotate(projected, self.iterations, random)
        self.rotation_ = rotation[: len(directions)]

    def _project(self, rows: Matrix) -> Features:
        return ((rows - self.mean_) @ self.components_.T) @ self.rotation_


def class_means(features: npt.NDArray, numbers: npt.NDArray, mean: Matrix, classes: int) -> Matrix:
    """The mean of each class less that of all, times the root of its share, ``(classes, d)``."""
    sums = np.zeros((classes, features.shape[1]))
    for rows, part in blocks(features):
        np.add.at(sums, numbers[rows], part - mean)
    counts = np.bincount(numbers, minlength=classes)
    return sums / np.sqrt(counts * len(numbers))[:, None]


def canonical_directions(
    covariance: Matrix, means: Matrix, regularization: float, most: int
) -> tuple[Matrix, Matrix]:
    """Correlations ``(k,)`` and directions ``(k, d)``, ``k`` at most ``most`` and the classes - 1.

    With ``M`` the class means, ``M' M`` is their scatter; the eigenvectors ``u`` of the small
    matrix ``M A⁻¹ M'``, ``A`` being the regularised covariance, give ``w = A⁻¹ M' u / ρ``.

    Raises:
        ValueError: the means of all classes are the same.
    """
    variance = np.trace(covariance) / len(covariance)
    if not variance > 0:
        raise ValueError("all rows are equal, so nothing correlates with the labels")
    solved = np.linalg.solve(
        covariance + regularization * variance * np.eye(len(covariance)), means.T
    )
    squares, vectors = np.linalg.eigh(means @ solved)
    kept = np.arange(len(squares))[::-1][: min(most, len(means) - 1)]
    kept = kept[squares[kept] > 1e-12]
    if not len(kept):
        raise ValueError("the classes have the same mean, so no direction correlates with them")
    correlations = np.sqrt(squares[kept])
    directions = (solved @ vectors[:, kept]).T / correlations[:, None]
    largest = directions[np.arange(len(kept)), np.abs(directions).argmax(1)]
    return correlations, directions * np.where(largest < 0, -1.0, 1.0)[:, None]
