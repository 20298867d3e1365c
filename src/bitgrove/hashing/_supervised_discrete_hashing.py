"""Supervised discrete hashing: codes from which a linear classifier reads the class."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from ._anchors import Anchors, mean_distance_to_anchors
from ._checks import check_positive, check_whole
from ._classes import numbered
from ._encoder import Features, HashEncoder
from ._rows import Matrix
from ._sdh_steps import Problem


@final
class SupervisedDiscreteHashing(HashEncoder):
    """Codes that a linear classifier reads, and that functions about anchors foretell.

    With one-hot labels ``Y``, codes ``B``, and ``F = Φ P`` for radial basis functions ``Φ`` about
    random training rows (and a 1), it makes small ::

        ||Y - B W||² + λ ||W||² + ν (||B - F||² + δ ||P||²)

    over ``B``, ``W`` and ``P`` in turn: ridge regressions for ``W`` and ``P``, and discrete cyclic
    coordinate descent for ``B``, which stays binary all the time. A new row gets the signs of
    ``F``. No number for each pair of rows is held, only ``anchors + 1`` of each row.

    Source: Shen, Shen, Liu and Shen, "Supervised Discrete Hashing", CVPR 2015, with the settings of
    the authors' code, but for the width: there it is 0.4, and the mean distance, the default here,
    is the alternative. As there the descent starts from zeros, not from the codes that are there;
    here a row keeps its old code where that is the better one, so the objective never increases.

    Args:
        bits: length of a code.
        anchors: how many training rows become anchors, drawn at random; all where there are fewer.
        width: of the radial basis functions ``exp(-d² / (2 width²))``; None for the mean distance
            of the training rows to their nearest anchor.
        iterations: of the three steps; it ends earlier when no bit changes.
        sweeps: over the bits in a step for ``B``.
        regression: λ.
        agreement: ν.
        shrinkage: δ.
        random_state: of the anchors and the codes that it starts from.

    Attributes:
        classes_: the labels, sorted.
        anchors_: ``(anchors, features)``.
        width_: that of the functions.
        projection_: ``P``, ``(anchors + 1, bits)``.
        classifier_: ``W``, ``(bits, classes)``.
        objective_: before the first and after every iteration.

    >>> from bitgrove.hashing import SupervisedDiscreteHashing
    >>> random = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1, 2], 30)
    >>> rows = random.normal(size=(90, 4)) + 6 * np.eye(3, 4)[labels]
    >>> sdh = SupervisedDiscreteHashing(bits=8, anchors=20, random_state=0).fit(rows, labels)
    >>> len({code.tobytes() for code in sdh.encode(6 * np.eye(3, 4))})
    3
    """

    classes_: npt.NDArray
    anchors_: Matrix
    width_: float
    projection_: Matrix
    classifier_: Matrix
    objective_: Matrix

    def __init__(
        self,
        bits: int = 32,
        *,
        anchors: int = 1000,
        width: float | None = None,
        iterations: int = 5,
        sweeps: int = 10,
        regression: float = 1.0,
        agreement: float = 1e-5,
        shrinkage: float = 1e-2,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.bits = bits
        self.anchors = anchors
        self.width = width
        self.iterations = iterations
        self.sweeps = sweeps
        self.regression = regression
        self.agreement = agreement
        self.shrinkage = shrinkage
        self.random_state = random_state

    @property
    def _needs_labels(self) -> bool:
        return True

    def _learn(self, features: Features, labels: npt.NDArray | None) -> None:
        for name in ("anchors", "iterations", "sweeps"):
            check_whole(1, **{name: getattr(self, name)})
        for name in ("regression", "agreement", "shrinkage"):
            check_positive(**{name: getattr(self, name)})
        if self.width is not None:
            check_positive(width=self.width)
        random = check_random_state(self.random_state)
        self.classes_, numbers = numbered("SupervisedDiscreteHashing", labels)
        chosen = random.permutation(len(features))[: self.anchors]
        self.anchors_ = np.asarray(features[np.sort(chosen)], np.float64)
        self.width_ = (
            mean_distance_to_anchors(features, self.anchors_)
            if self.width is None
            else float(self.width)
        )
        problem = Problem(
            Anchors(self.anchors_, self.width_).of_all(features),
            numbers,
            len(self.classes_),
            self.regression,
            self.agreement,
            self.shrinkage,
        )
        self._alternate(
            problem, np.where(random.standard_normal((len(features), self.bits)) >= 0, 1.0, -1.0)
        )

    def _alternate(self, problem: Problem, codes: Matrix) -> None:
        classifier, projection = problem.classifier(codes), problem.projection(codes)
        foretold = problem.foretold(projection)
        objective = [problem.objective(codes, classifier, projection, foretold)]
        for _ in range(self.iterations):
            better = problem.codes(codes, classifier, foretold, self.sweeps)
            if np.array_equal(better, codes):
                break
            codes = better
            classifier, projection = problem.classifier(codes), problem.projection(codes)
            foretold = problem.foretold(projection)
            objective.append(problem.objective(codes, classifier, projection, foretold))
        self.classifier_, self.projection_ = classifier, projection
        self.objective_ = np.array(objective)

    def _project(self, rows: Matrix) -> Features:
        return Anchors(self.anchors_, self.width_).of(rows) @ self.projection_
