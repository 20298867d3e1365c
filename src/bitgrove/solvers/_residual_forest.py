"""Residual forests on embeddings, as a scikit-learn classifier."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from torch import Tensor

from ..nn import ResidualForestHead

_validate_data: Any = validate_data  # its annotations are those of its defaults
_weights_of: Any = _check_sample_weight


@final
class ResidualForest(ClassifierMixin, BaseEstimator):
    """Random trees whose leaves hold logits, learnt together by descent on a convex loss.

    The trees are drawn at random: each node compares one channel with a threshold. Where a row
    goes is then fixed, and the logits in the leaves, summed over the trees, minimise cross-entropy:
    an embedding bag. So the trees mend one another's errors, which averaged trees do not.

    Source: Zuo and Drummond, "Fast Residual Forests: Rapid Ensemble Learning for Semantic
    Segmentation", CoRL 2017; its gradient to the features is
    :func:`bitgrove.nn.residual_forest_loss`. Differences: Adam in mini-batches; thresholds are
    quantiles of the data, as embeddings need not lie about 0.

    Args:
        trees: how many.
        depth: levels of tests, 1 to 12; a tree has ``2**depth`` leaves.
        thresholds: ``"quantile"``, for each node a random quantile of its channel; ``"zero"`` as in
            the paper, for features about 0.
        epochs: passes of ``fit`` over the data.
        batch_size: rows of a step.
        learning_rate: about the most that a step changes a logit; Adam's rate is this divided by
            ``trees``. It falls to 0 over a fit along a cosine.
        l2: pull of the leaves to 0, as a weight of half their squared norm per row of the data: in
            a Bayesian's words the leaves are normal with variance ``1 / (l2 n)``.
        random_state: of trees, thresholds and the order of the rows.

    Attributes:
        classes_: the labels, sorted, shape ``(n_classes,)``.
        n_features_in_: elements of a row.
        head_: the :class:`bitgrove.nn.ResidualForestHead`; ``bitgrove.export.pack(head_,
            torch.zeros(1, n_features_in_, 1, 1))`` makes a file of it.
        loss_curve_: mean loss of each pass, ``log(n_classes)`` before the first.

    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = (X[:, 0] > 0) ^ (X[:, 1] > 0)
    >>> solver = ResidualForest(trees=50, depth=3, random_state=0).fit(X, y)
    >>> solver.predict([[1, 1], [1, -1]])
    array([False, True])
    """

    def __init__(
        self,
        *,
        trees: int = 200,
        depth: int = 5,
        thresholds: str = "quantile",
        epochs: int = 20,
        batch_size: int = 256,
        learning_rate: float = 1.0,
        l2: float = 1e-4,
        random_state: Any = None,
    ) -> None:
        self.trees = trees
        self.depth = depth
        self.thresholds = thresholds
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.l2 = l2
        self.random_state = random_state

    def fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Self:
        """Draw the trees and learn their leaves.

        Args:
            X: shape ``(n, dim)``; converted to float32. Finite.
            y: ``n`` labels of any one kind.
            sample_weight: of the rows, not negative; a row of weight 0 counts as absent.

        Raises:
            ValueError: a parameter or the data are out of range.
        """
        self._check_parameters()
        rows, labels, weights = self._check_data(X, y, sample_weight, reset=True)
        self.classes_ = np.unique(labels)
        self._draw(rows, weights)
        self._learn(rows, labels, weights, self.epochs, falling=True)
        return self

    def partial_fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        classes: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Learn the leaves from one pass over more rows; the first call draws the trees.

        Args:
            X: shape ``(n, dim)``. Quantiles are those of the first call's rows.
            y: ``n`` labels.
            classes: all labels that will ever come; needed at the first call, unless its labels are
                all.
            sample_weight: of the rows, not negative.

        Raises:
            ValueError: a parameter or the data are out of range, or a label is not among
                ``classes_``.
        """
        self._check_parameters()
        anew = not hasattr(self, "head_")
        rows, labels, weights = self._check_data(X, y, sample_weight, reset=anew)
        named = np.unique(labels if classes is None else np.asarray(classes))
        if anew:
            self.classes_ = named
        elif classes is not None and not np.array_equal(named, self.classes_):
            raise ValueError(f"classes must be those of the first call, {self.classes_}")
        strange = np.setdiff1d(labels, self.classes_)
        if len(strange):
            raise ValueError(
                f"y has labels that are not among classes_: {strange[:5]}; give all classes at the "
                "first call of partial_fit"
            )
        if anew:
            self._draw(rows, weights)
        self._learn(rows, labels, weights, 1, falling=False)
        return self

    def decision_function(self, X: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Logits, ``float32[q, n_classes]``; of two classes the second's less the first's, [q]."""
        logits = self._logits(X).numpy()
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Probability of every class, ``float32[q, n_classes]``, in the order of ``classes_``."""
        return self._logits(X).softmax(1).numpy()

    def predict_log_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Logarithm of :meth:`predict_proba`."""
        return self._logits(X).log_softmax(1).numpy()

    def predict(self, X: npt.ArrayLike) -> npt.NDArray:
        """The most probable class of every row; ties go to the first in ``classes_``."""
        best = self._logits(X).numpy().argmax(1)
        return self.classes_[best]

    def _logits(self, X: npt.ArrayLike) -> Tensor:
        check_is_fitted(self)
        rows = _validate_data(self, X, dtype=np.float32, order="C", reset=False)
        with torch.no_grad():
            return self.head_(torch.from_numpy(rows))

    def _check_data(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None,
        *,
        reset: bool,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray, npt.NDArray[np.float32]]:
        rows, labels = _validate_data(self, X, y, dtype=np.float32, order="C", reset=reset)
        check_classification_targets(labels)
        weights = _weights_of(sample_weight, rows, dtype=np.float32, ensure_non_negative=True)
        if not weights.any():
            raise ValueError("sample_weight must be above 0 for at least one row")
        return rows[weights > 0], labels[weights > 0], weights[weights > 0]

    def _draw(self, rows: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]) -> None:
        random = check_random_state(self.random_state)
        draw, cut, order = (int(n) for n in random.randint(0, 2**31 - 1, 3))
        head = ResidualForestHead(
            rows.shape[1], len(self.classes_), trees=self.trees, depth=self.depth, seed=draw
        )
        if self.thresholds == "quantile":
            head.fit_thresholds(torch.from_numpy(rows), seed=cut, weights=weights)
        self.head_ = head
        self.loss_curve_: list[float] = []
        self._order = torch.Generator().manual_seed(order)
        # A logit is a sum over the trees, so a step moves it by as many times Adam's rate.
        self._optimizer = torch.optim.Adam(head.parameters(), lr=self.learning_rate / self.trees)

    def _learn(
        self,
        rows: npt.NDArray[np.float32],
        labels: npt.NDArray,
        weights: npt.NDArray[np.float32],
        epochs: int,
        *,
        falling: bool,
    ) -> None:
        index = self.head_.route(torch.from_numpy(rows)).to(torch.int16)
        target = torch.from_numpy(np.searchsorted(self.classes_, labels))
        weight, total = torch.from_numpy(weights), float(weights.sum())
        steps = epochs * -(-len(rows) // self.batch_size)
        done = 0
        for _ in range(epochs):
            loss_sum = 0.0
            for batch in self._batches(len(rows)):
                if falling:
                    for group in self._optimizer.param_groups:
                        rate = 0.5 * (1 + np.cos(np.pi * done / steps))
                        group["lr"] = self.learning_rate / self.trees * rate
                done += 1
                logits = self.head_.leaf_logits(index[batch])
                losses = F.cross_entropy(logits, target[batch], reduction="none") * weight[batch]
                share = weight[batch].sum()
                loss = losses.sum() / share + 0.5 * self.l2 * self.head_.leaf.square().sum()
                self._optimizer.zero_grad()
                loss.backward()
                self._optimizer.step()
                loss_sum += losses.sum().item()
            self.loss_curve_.append(loss_sum / total)

    def _batches(self, n: int) -> tuple[Tensor, ...]:
        """All rows at once if they are one batch, so that their order does not matter."""
        if n <= self.batch_size:
            return (torch.arange(n),)
        return torch.randperm(n, generator=self._order).split(self.batch_size)

    def _check_parameters(self) -> None:
        for name in ("trees", "depth", "epochs", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"{name} must be an int of at least 1, got {value!r}")
        for name in ("learning_rate", "l2"):
            value = getattr(self, name)
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not (number and np.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be a finite number of at least 0, got {value!r}")
        if self.thresholds not in ("quantile", "zero"):
            raise ValueError(f"thresholds must be 'quantile' or 'zero', got {self.thresholds!r}")
