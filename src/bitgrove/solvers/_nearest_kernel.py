"""The Gaussian-kernel vote of nearest neighbours as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ..interfaces import Neighbours
from ..search import Fanng, Flat, kernel_vote, median_bandwidth
from ._labels import union

_validate_data: Any = validate_data  # its annotations are those of its defaults

_MEDIAN_ROWS = 1000
"""Rows whose neighbours give the median: enough for three digits, fast for any size."""


@final
class NearestKernelClassifier(ClassifierMixin, BaseEstimator):
    """Classifies by the Gaussian-weighted vote of the nearest examples.

    ``P(c | x)`` is proportional to the sum of ``exp(-|x - x_i|^2 / (2 sigma^2))`` over those of the
    ``k`` nearest examples that have class ``c``. With ``k`` equal to the number of examples and the
    flat index it is the dense kernel sum. A new class is learnt by adding its examples:
    :meth:`partial_fit` retrains nothing.

    Source: Meyer, Harwood and Drummond, "Deep Metric Learning and Image Classification with Nearest
    Neighbour Gaussian Kernels", ICIP 2018, arXiv 1705.09780, with one weight for all examples of a
    class; neighbours by FANNG, as there.

    Args:
        bandwidth: sigma in the units of the distance, or ``"median"``: a third of the median
            distance of (at most 1,000) examples to their nearest other, taken at fit and anew
            whenever there are a hundredth more examples than when it was taken; see
            :func:`bitgrove.search.median_bandwidth`.
        k: neighbours that vote.
        balanced: make all classes equally likely before the query is seen, which a class learnt
            from few examples needs among classes of many; else a class counts by its examples.
        index: ``"fanng"`` (fast) or ``"flat"`` (exact).
        budget: most distances computed for one query, above ``k``, for fanng; None for its default.
        threads: None for one for each CPU; the result does not depend on it.
        seed: of the build of the FANNG graph.

    Attributes:
        classes_: the labels, sorted, shape ``(n_classes,)``.
        n_features_in_: elements of a row.
        bandwidth_: the sigma in use.
        index_: the ``Fanng`` or ``Flat`` index of the examples, squared l2, float32.
        codes_: ``int64[n]``, for each id of ``index_`` the number of its class in ``classes_``; the
            ids are the numbers of the examples in the order in which they came.

    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [9.0, 9.0], [9.0, 8.0]])
    >>> solver = NearestKernelClassifier(k=2).fit(X, ["low", "low", "high", "high"])
    >>> solver.predict([[1.0, 1.0], [8.0, 8.0]])
    array(['low', 'high'], dtype='<U4')
    >>> solver.partial_fit([[50.0, 50.0]], ["new"]).predict([[40.0, 40.0]])
    array(['new'], dtype='<U4')
    """

    def __init__(
        self,
        bandwidth: float | str = "median",
        *,
        k: int = 50,
        balanced: bool = False,
        index: str = "fanng",
        budget: int | None = None,
        threads: int | None = None,
        seed: int = 0,
    ) -> None:
        self.bandwidth = bandwidth
        self.k = k
        self.balanced = balanced
        self.index = index
        self.budget = budget
        self.threads = threads
        self.seed = seed

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Hold the examples and build their index.

        Args:
            X: shape ``(n, dim)``; converted to float32. Finite.
            y: ``n`` labels of any one kind.

        Raises:
            ValueError: a parameter or the data are out of range.
        """
        return self._learn(X, y, None, anew=True)

    def partial_fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, classes: npt.ArrayLike | None = None
    ) -> Self:
        """Add examples, of known or new classes; the first call is a fit.

        Args:
            X: shape ``(n, dim)``; converted to float32. Finite.
            y: ``n`` labels, of the kind of the earlier ones.
            classes: further labels to count among ``classes_`` though they have no example yet;
                never needed.

        Raises:
            ValueError: a parameter or the data are out of range, or labels of another kind.
        """
        return self._learn(X, y, classes, anew=not hasattr(self, "index_"))

    def predict_log_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Log-probability of every class, ``float64[q, n_classes]``; ``-inf`` if none is near."""
        check_is_fitted(self)
        rows = _validate_data(self, X, dtype=np.float32, order="C", reset=False)
        near = self._search(rows, min(self.k, len(self.index_)))
        labels = np.where(near.ids >= 0, self.codes_[near.ids], -1)
        weights = None
        if self.balanced:
            counts = np.bincount(self.codes_, minlength=len(self.classes_))
            weights = 1 / np.maximum(counts, 1)
        return kernel_vote(near.distances, labels, len(self.classes_), self.bandwidth_, weights)

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Probability of every class, ``float64[q, n_classes]``, in the order of ``classes_``."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: npt.ArrayLike) -> npt.NDArray:
        """The most probable class of every row; ties go to the first in ``classes_``."""
        best = self.predict_log_proba(X).argmax(1)
        return self.classes_[best]

    def _learn(
        self, X: npt.ArrayLike, y: npt.ArrayLike, classes: npt.ArrayLike | None, *, anew: bool
    ) -> Self:
        self._check_parameters()
        rows, labels = _validate_data(self, X, y, dtype=np.float32, order="C", reset=anew)
        check_classification_targets(labels)
        known = np.unique(labels)
        if classes is not None:
            known = union(known, np.unique(classes))
        if anew:
            index = (Fanng if self.index == "fanng" else Flat)(rows.shape[1])
            codes = np.empty(0, np.int64)
        else:
            index, known = self.index_, union(self.classes_, known)
            codes: npt.NDArray[np.int64] = self.codes_
            if not np.array_equal(known[: len(self.classes_)], self.classes_):
                codes = np.asarray(np.searchsorted(known, self.classes_))[codes]
        codes = np.append(codes, np.searchsorted(known, labels))
        try:
            # The first thing changed, and by itself all or nothing.
            index.add(rows, threads=self.threads)
            if isinstance(index, Fanng) and not index.built:
                index.build(self.threads, self.seed)
        finally:
            # Ctrl-C may come when the rows are in: then their labels must be too.
            if not anew and len(index) == len(codes):
                self.classes_, self.codes_ = known, codes
        if anew:
            self.index_, self.classes_, self.codes_ = index, known, codes
        self._set_bandwidth(anew)
        return self

    def _check_parameters(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, int | np.integer) or self.k < 1:
            raise ValueError(f"k must be an int of at least 1, got {self.k!r}")
        if self.index not in ("fanng", "flat"):
            raise ValueError(f"index must be 'fanng' or 'flat', got {self.index!r}")
        if not isinstance(self.balanced, bool | np.bool_):
            raise ValueError(f"balanced must be True or False, got {self.balanced!r}")
        if self.budget is not None and not isinstance(self.budget, int | np.integer):
            raise ValueError(f"budget must be an int or None, got {self.budget!r}")
        if self.index == "flat" and self.budget is not None:
            raise ValueError(f"the flat index takes no budget, got {self.budget}; leave it None")
        if self.budget is not None and self.budget <= self.k:
            raise ValueError(f"budget must be above k, got budget {self.budget} and k {self.k}")
        if isinstance(self.bandwidth, str):
            if self.bandwidth != "median":
                raise ValueError(f"bandwidth must be 'median' or a number, got {self.bandwidth!r}")
        elif not isinstance(self.bandwidth, int | float | np.number) or not (
            np.isfinite(self.bandwidth) and self.bandwidth > 0
        ):
            raise ValueError(f"bandwidth must be positive and finite, got {self.bandwidth!r}")

    def _set_bandwidth(self, anew: bool) -> None:
        n = len(self.index_)
        if not isinstance(self.bandwidth, str):
            self.bandwidth_, self._measured = float(self.bandwidth), 0
        elif anew or 100 * n > 101 * self._measured:
            self.bandwidth_, self._measured = self._median_bandwidth(), n

    def _median_bandwidth(self) -> float:
        n = len(self.index_)
        sample = np.linspace(0, n - 1, min(n, _MEDIAN_ROWS)).astype(np.int64)
        near = self._search(self.index_.vectors[sample], min(self.k + 1, n))
        itself = near.ids == self.index_.ids[sample][:, None]
        return median_bandwidth(np.where(itself, np.inf, near.distances))

    def _search(self, rows: npt.NDArray[np.float32], k: int) -> Neighbours:
        return self.index_.search(rows, k, budget=self.budget, threads=self.threads)
