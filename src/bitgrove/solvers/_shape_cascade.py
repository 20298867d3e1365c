"""Points found step by step, each step looking where the one before has put them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge
from sklearn.utils.validation import check_is_fitted

from .. import require
from ..interfaces import describe
from ._shape_features import patches

if TYPE_CHECKING:
    import torch
    from torch import nn

Regressor = Literal["forest", "linear"]


class ShapeCascade(BaseEstimator):
    """Regression of coordinates by a cascade: each stage moves the points nearer to the truth.

    A stage sees small patches of pixels around the current points and predicts the residual to the
    truth. Training starts every picture from the shapes of other pictures, drawn at random; a new
    picture starts from the mean shape. Grids of the first stages are wider than those of the last.

    Sources: Li and Cheng, Visualizing the Decision-Making Process in Deep Neural Decision Forest,
    CVPRW 2019, for 3DFAW: 10 stages, each of 3 trees of depth 5, 10 random starts, Adam at 0.01 for
    6 epochs, halved after 2 and 4. Differences: patches are read directly, without a convolutional
    network; points are in the plane. :mod:`bitgrove.explain` does not take cascades: it follows a
    gradient to the picture, and here a stage sees pixels picked around the points before it.

    Args:
        stages: at least 1.
        regressor: ``"forest"``, a :class:`bitgrove.nn.NeuralDecisionForest`, or ``"linear"``, ridge
            regression of the same features.
        starts: shapes to start each training picture from, at least 1.
        side: points of a patch in each direction.
        spacing: pixels between them in the first stage; 1 in the last, even steps between.
        trees: of a forest.
        depth: of a forest.
        epochs: over the training pictures, for a forest.
        learning_rate: of Adam, for a forest.
        alpha: of the ridge regression, on standardised features, times the number of samples.
        random_state: of starts and forests; None draws one.

    Attributes:
        mean_shape_: ``float32[points, 2]``.
        stages_: what was learnt.

    >>> rng = np.random.default_rng(0)
    >>> images = rng.integers(0, 99, (60, 16, 16), np.uint8)
    >>> at = rng.integers(4, 12, (60, 1, 2))
    >>> images[np.arange(60), at[:, 0, 1], at[:, 0, 0]] = 255
    >>> cascade = ShapeCascade(stages=2, regressor="linear", side=9).fit(images, at)
    >>> cascade.predict(images[:5]).shape
    (5, 1, 2)
    """

    def __init__(
        self,
        stages: int = 5,
        *,
        regressor: Regressor = "forest",
        starts: int = 10,
        side: int = 5,
        spacing: int = 4,
        trees: int = 3,
        depth: int = 5,
        epochs: int = 6,
        learning_rate: float = 0.01,
        alpha: float = 0.01,
        random_state: int | None = 0,
    ) -> None:
        self.stages = stages
        self.regressor: Regressor = regressor
        self.starts = starts
        self.side = side
        self.spacing = spacing
        self.trees = trees
        self.depth = depth
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.alpha = alpha
        self.random_state = random_state

    def fit(self, X: npt.NDArray[np.uint8], y: npt.ArrayLike) -> Self:
        """Learn from pictures and shapes.

        Args:
            X: ``uint8[n, h, w]``, at least 2.
            y: ``(n, points, 2)``, x and y in pixels.

        Raises:
            TypeError: the pictures are not ``uint8``.
            ValueError: a shape does not fit, a coordinate is not finite, or a setting is out of its
                range.
        """
        self._check_settings()
        images = _checked_images(X)
        truth = np.asarray(y, np.float32)
        if truth.shape[:1] != images.shape[:1] or truth.ndim != 3 or truth.shape[2] != 2:
            raise ValueError(f"y must have shape ({len(images)}, points, 2), got {truth.shape}")
        if len(images) < 2 or not truth.shape[1]:
            raise ValueError("a cascade needs at least 2 pictures, and a point")
        if not np.isfinite(truth).all():
            raise ValueError("y holds NaN or infinite coordinates")
        random = np.random.default_rng(self.random_state)
        # A number of its own for each stage, whatever the starts draw.
        seed = 1000 * (
            int(random.integers(1 << 20)) if self.random_state is None else self.random_state
        )
        self.mean_shape_ = truth.mean(0)
        rows = np.repeat(np.arange(len(images)), self.starts)
        shapes = truth[_others(rows, len(images), random)]
        self.stages_: list[_Stage] = []
        for number in range(self.stages):
            stage = _Stage(self.side, self._spacing(number))
            features = stage.learn_scale(images, shapes, rows)
            residual = (truth[rows] - shapes).reshape(len(rows), -1)
            stage.fit(features, residual, self, seed=seed + number)
            shapes = shapes + stage.predict(features).reshape(shapes.shape)
            self.stages_.append(stage)
        return self

    def predict(self, X: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """The points of pictures: ``float32[n, points, 2]``."""
        return self.staged_predict(X)[-1]

    def staged_predict(self, X: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        """The points after no stage (the mean shape), after one, and so on to the last.

        Raises:
            NotFittedError: the cascade was not fitted.
            TypeError: the pictures are not ``uint8``.
            ValueError: they have another shape than ``(n, h, w)``.
        """
        check_is_fitted(self)
        images = _checked_images(X)
        rows = np.arange(len(images))
        if not len(images):
            return [np.empty((0, *self.mean_shape_.shape), np.float32)] * (len(self.stages_) + 1)
        found = [np.repeat(self.mean_shape_[None], len(images), 0)]
        for stage in self.stages_:
            features = stage.features(images, found[-1], rows)
            found.append(found[-1] + stage.predict(features).reshape(found[-1].shape))
        return found

    def _spacing(self, number: int) -> int:
        if self.stages == 1:
            return self.spacing
        return round(np.interp(number, (0, self.stages - 1), (self.spacing, 1)))

    def _check_settings(self) -> None:
        names = ("stages", "starts", "side", "spacing", "trees", "depth", "epochs")
        for name in names:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"{name} must be an int of at least 1, got {value!r}")
        for name in ("learning_rate", "alpha"):
            value = getattr(self, name)
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not number or not 0 < value < float("inf"):
                raise ValueError(f"{name} must be a finite number above 0, got {value!r}")
        seed = self.random_state
        if seed is not None and (not isinstance(seed, int | np.integer) or seed < 0):
            raise ValueError(f"random_state must be an int of at least 0, or None, got {seed!r}")
        if self.regressor not in get_args(Regressor):
            raise ValueError(f"regressor must be 'forest' or 'linear', got {self.regressor!r}")


class _Stage:
    """One step: standardised patches to a residual."""

    def __init__(self, side: int, spacing: int) -> None:
        self._side, self._spacing = side, spacing
        self._mean: Any = 0.0
        self._std: Any = 1.0
        self._unit = 1.0
        self._model: nn.Module | Ridge | None = None

    def learn_scale(self, images: Any, shapes: Any, rows: Any) -> npt.NDArray[np.float32]:
        """The features, and how they are standardised."""
        raw = self.features(images, shapes, rows)
        self._mean, self._std = raw.mean(0), raw.std(0) + 1e-3
        return (raw - self._mean) / self._std

    def features(self, images: Any, shapes: Any, rows: Any) -> npt.NDArray[np.float32]:
        """Standardised patches."""
        raw = patches(images, shapes, rows, side=self._side, spacing=self._spacing)
        return (raw - self._mean) / self._std

    def fit(self, features: Any, residual: Any, own: ShapeCascade, *, seed: int) -> None:
        """Learn to predict the residual."""
        self._unit = float(residual.std()) or 1.0  # the scale that a forest's leaves begin at
        if own.regressor == "linear":
            self._model = Ridge(alpha=own.alpha * len(features)).fit(features, residual)
            return
        require("torch", extra="train", needed_for="a cascade of forests")
        import torch

        from ..nn import NeuralDecisionForest

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            forest = NeuralDecisionForest(
                features.shape[1], residual.shape[1], trees=own.trees, depth=own.depth,
                task="regression", leaves="gradient",
            )  # fmt: skip
            x, y = torch.from_numpy(features), torch.from_numpy(residual / self._unit)
            _descend(forest, x, y, own.epochs, own.learning_rate)
        self._model = forest.eval()

    def predict(self, features: Any) -> npt.NDArray[np.float32]:
        """The residual, ``(n, 2 * points)``."""
        if isinstance(self._model, Ridge):
            return self._model.predict(features).reshape(len(features), -1).astype(np.float32)
        assert self._model is not None
        import torch

        with torch.no_grad():
            return self._model(torch.from_numpy(features)).numpy() * self._unit


def _descend(forest: nn.Module, x: torch.Tensor, y: torch.Tensor, epochs: int, rate: float) -> None:
    """Squared error by Adam, its rate halved after a third and two thirds of the epochs."""
    import torch

    optimiser = torch.optim.Adam(forest.parameters(), lr=rate)
    for epoch in range(epochs):
        for group in optimiser.param_groups:
            group["lr"] = rate * 0.5 ** (3 * epoch // epochs)
        for rows in torch.randperm(len(x)).split(128):
            optimiser.zero_grad()
            (forest(x[rows]) - y[rows]).square().mean().backward()
            optimiser.step()


def _others(
    rows: npt.NDArray[np.integer], count: int, random: np.random.Generator
) -> npt.NDArray[np.integer]:
    """For each row another one."""
    return (rows + random.integers(1, count, len(rows))) % count


def _checked_images(X: Any) -> npt.NDArray[np.uint8]:
    if not isinstance(X, np.ndarray) or X.dtype != np.uint8:
        raise TypeError(f"X must be a uint8 array of pictures, got {describe(X)}")
    if X.ndim != 3 or 0 in X.shape[1:]:
        raise ValueError(f"X must have shape (n, h, w), got {X.shape}")
    return X
