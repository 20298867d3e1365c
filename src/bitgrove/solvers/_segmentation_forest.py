"""Residual forests on the maps of a frozen network: a class for every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ..interfaces import describe
from ..nn import MultiScaleForest

Maps = npt.NDArray[np.float32] | Sequence[npt.NDArray[np.float32]]
_SAMPLE = 64
"""Images whose numbers give the quantiles."""


@final
class SegmentationForest(BaseEstimator):
    """Classifies every pixel by forests on one or several feature maps.

    As :class:`ResidualForest`, with a forest for each map; the logits of the coarser maps are
    interpolated to the finest and added (:class:`bitgrove.nn.MultiScaleForest`). Pixels go through
    the trees once; then the leaves alone are learnt.

    Source: Zuo and Drummond, "Fast Residual Forests", CoRL 2017. Differences: as for
    ``ResidualForest``; the fusion is not in the paper.

    Args:
        trees: of every forest, or one number for all.
        depth: levels of tests, 1 to 12.
        thresholds: ``"zero"`` as in the paper, for maps about 0 (before a ReLU, after a batch
            norm), or ``"quantile"`` of the data.
        epochs: passes over the images.
        batch_size: images of a step.
        learning_rate: about the most that a step changes a forest's logit; it falls to 0 along a
            cosine.
        void: label of pixels that do not count; None if all do.
        random_state: of trees, thresholds and the order of the images.

    Attributes:
        classes_: the labels, sorted, without ``void``.
        forest_: the :class:`bitgrove.nn.MultiScaleForest`; a model that computes the maps and calls
            it can be packed.
        loss_curve_: mean loss of each pass.

    >>> maps = np.random.default_rng(0).normal(size=(4, 3, 6, 8)).astype(np.float32)
    >>> labels = (maps[:, 0] > 0).astype(np.uint8)
    >>> solver = SegmentationForest(trees=20, depth=2, epochs=30, random_state=0)
    >>> bool((solver.fit(maps, labels).predict(maps) == labels).mean() > 0.9)
    True
    >>> solver.predict(maps, size=(12, 16)).shape
    (4, 12, 16)
    """

    def __init__(
        self,
        *,
        trees: int | Sequence[int] = 256,
        depth: int = 5,
        thresholds: str = "zero",
        epochs: int = 10,
        batch_size: int = 8,
        learning_rate: float = 1.0,
        void: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.trees = trees
        self.depth = depth
        self.thresholds = thresholds
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.void = void
        self.random_state = random_state

    def fit(self, maps: Maps, labels: npt.NDArray) -> Self:
        """Draw the trees and learn their leaves.

        Args:
            maps: ``float32[n, c, h, w]``, or several of them of the same images, finest first.
                Finite.
            labels: integers ``[n, height, width]`` of the size of the finest map or larger; of
                larger ones those nearest to the middle of each of the map's pixels are used.

        Raises:
            TypeError: an array of another kind.
            ValueError: a parameter or the data are out of range.
        """
        self._check_parameters()
        tensors = _check_maps(maps)
        target = self._check_labels(labels, tensors[0])
        known = np.unique(target)
        self.classes_ = known[known != self.void] if self.void is not None else known
        if not len(self.classes_):
            raise ValueError("labels must hold at least one class; all of them are void")
        random = check_random_state(self.random_state)
        draw, cut, order = (int(n) for n in random.randint(0, 2**31 - 1, 3))
        self.forest_ = MultiScaleForest(
            [x.shape[1] for x in tensors], len(self.classes_),
            trees=self.trees, depth=self.depth, seed=draw,
        )  # fmt: skip
        if self.thresholds == "quantile":
            self.forest_.fit_thresholds([x[:_SAMPLE] for x in tensors], seed=cut)
        numbers = np.searchsorted(self.classes_, target)
        numbers[target == self.void] = len(self.classes_)
        self._learn(tensors, torch.from_numpy(numbers), torch.Generator().manual_seed(order))
        return self

    def decision_function(
        self, maps: Maps, *, size: tuple[int, int] | None = None
    ) -> npt.NDArray[np.float32]:
        """Logits, ``float32[n, n_classes, h, w]``; interpolated to ``size`` if it is given."""
        check_is_fitted(self)
        tensors = _check_maps(maps)
        wanted = [head.in_channels for head in self.forest_.heads]
        if [x.shape[1] for x in tensors] != wanted:
            raise ValueError(
                f"maps must have {wanted} channels, got {[x.shape[1] for x in tensors]}"
            )
        with torch.no_grad():
            parts = []
            for batch in zip(*(x.split(self.batch_size) for x in tensors), strict=True):
                logits = self.forest_(batch)
                if size is not None:
                    logits = F.interpolate(logits, size=size, mode="bilinear")
                parts.append(logits)
            return torch.cat(parts).numpy()

    def predict(self, maps: Maps, *, size: tuple[int, int] | None = None) -> npt.NDArray:
        """The most probable class of every pixel, ``[n, h, w]`` or ``[n, *size]``."""
        return self.classes_[self.decision_function(maps, size=size).argmax(1)]

    def _learn(self, maps: list[Tensor], target: Tensor, random: torch.Generator) -> None:
        routes = self.forest_.route(maps)
        # A logit is a sum over the trees, so a step moves it by as many times Adam's rate.
        groups = [
            {"params": list(head.parameters()), "lr": self.learning_rate / head.trees}
            for head in self.forest_.heads
        ]
        optimizer = torch.optim.Adam(groups)
        steps = self.epochs * -(-len(target) // self.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        void = len(self.classes_)
        self.loss_curve_: list[float] = []
        for _ in range(self.epochs):
            total, count = 0.0, 0
            for rows in torch.randperm(len(target), generator=random).split(self.batch_size):
                labels = target[rows]
                counted = int((labels != void).sum())
                logits = self.forest_.routed_logits([index[rows] for index in routes])
                loss = F.cross_entropy(logits, labels, ignore_index=void, reduction="sum")
                optimizer.zero_grad()
                (loss / max(counted, 1)).backward()
                optimizer.step()
                schedule.step()
                total, count = total + loss.item(), count + counted
            self.loss_curve_.append(total / count)

    def _check_labels(self, labels: npt.NDArray, finest: Tensor) -> npt.NDArray:
        if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu":
            raise TypeError(f"labels must be an array of integers, got {describe(labels)}")
        n, _, h, w = finest.shape
        if labels.ndim != 3 or len(labels) != n or labels.shape[1] < h or labels.shape[2] < w:
            raise ValueError(
                f"labels must have shape ({n}, at least {h}, at least {w}), got {labels.shape}"
            )
        rows, columns = (
            ((np.arange(small) + 0.5) * large / small).astype(np.int64)
            for small, large in zip((h, w), labels.shape[1:], strict=True)
        )
        return labels[:, rows[:, None], columns].astype(np.int64)

    def _check_parameters(self) -> None:
        trees = list(self.trees) if isinstance(self.trees, Sequence) else [self.trees]
        whole = [(name, getattr(self, name)) for name in ("depth", "epochs", "batch_size")]
        for name, value in [*whole, *(("trees", count) for count in trees)]:
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"{name} must be an int of at least 1, got {value!r}")
        rate = self.learning_rate
        if not isinstance(rate, int | float | np.number) or not (np.isfinite(rate) and rate > 0):
            raise ValueError(f"learning_rate must be positive and finite, got {rate!r}")
        if self.thresholds not in ("quantile", "zero"):
            raise ValueError(f"thresholds must be 'quantile' or 'zero', got {self.thresholds!r}")


def _check_maps(maps: Maps) -> list[Tensor]:
    arrays = [maps] if isinstance(maps, np.ndarray) else list(maps)
    if not arrays:
        raise ValueError("maps must hold at least one array")
    for array in arrays:
        if not isinstance(array, np.ndarray) or array.dtype != np.float32:
            raise TypeError(f"maps must be float32 arrays, got {describe(array)}")
        if array.ndim != 4 or len(array) != len(arrays[0]) or 0 in array.shape:
            raise ValueError(
                f"maps must have shape (n, c, h, w) with one n, got {[a.shape for a in arrays]}"
            )
        if not np.isfinite(array).all():
            raise ValueError("maps must be finite, got NaN or infinity")
    return [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
